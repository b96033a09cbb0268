"""Words are grouped into readable subtitles."""

from itertools import pairwise

import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videojobs.lecture.cues import build_cues, display_width, wrap_lines
from videojobs.lecture.models import Word
from videojobs.lecture.options import SubtitleOptions
from videojobs.lecture.subtitles import FORMATS, to_subtitle_text

DEFAULT_OPTIONS = SubtitleOptions()


def words_of(text: str, start: float = 0.0, pace: float = 0.3) -> list[Word]:
    """The words of a text, spoken at a constant pace."""
    return [
        Word(text=f" {word}", start=start + number * pace, end=start + (number + 0.9) * pace)
        for number, word in enumerate(text.split())
    ]


def test_a_short_sentence_is_one_subtitle_on_one_line() -> None:
    [cue] = build_cues(words_of("The sun heats the sea."), DEFAULT_OPTIONS)
    assert cue.lines == ("The sun heats the sea.",)
    assert cue.start == 0


def test_a_long_line_breaks_into_two_of_similar_length() -> None:
    [cue] = build_cues(words_of("The sun heats the water and it goes up into the air."), DEFAULT_OPTIONS)
    assert cue.lines == ("The sun heats the water and", "it goes up into the air.")


def test_each_sentence_begins_a_subtitle_of_its_own() -> None:
    assert [cue.lines for cue in build_cues(words_of("Rain falls. Rivers grow."), DEFAULT_OPTIONS)] == [
        ("Rain falls.",),
        ("Rivers grow.",),
    ]


def test_a_pause_ends_a_subtitle_without_punctuation() -> None:
    found = build_cues([*words_of("rain falls"), *words_of("rivers grow", start=2.0)], DEFAULT_OPTIONS)
    assert [cue.lines for cue in found] == [("rain falls",), ("rivers grow",)]


def test_a_full_subtitle_is_broken_at_a_breath() -> None:
    first = words_of("on the mountains and in the valleys of the north", pace=0.35)
    rest = words_of("the rain falls for most of the year", start=first[-1].end + 0.4)
    assert build_cues([*first, *rest], DEFAULT_OPTIONS)[0].lines[-1].endswith("of the north")


def test_a_short_word_stays_long_enough_to_be_read() -> None:
    [cue] = build_cues([Word(text=" Yes.", start=1.0, end=1.2)], DEFAULT_OPTIONS)
    assert (cue.start, cue.end) == (1.0, 2.0)


def test_a_subtitle_ends_a_gap_before_the_next_one() -> None:
    first, second = build_cues(
        [Word(text=" Yes.", start=1.0, end=1.2), Word(text=" No.", start=1.5, end=1.8)], DEFAULT_OPTIONS
    )
    assert first.end == pytest.approx(1.5 - DEFAULT_OPTIONS.gap_seconds)
    assert second.start == 1.5


def test_fast_speech_stays_until_it_can_be_read() -> None:
    [cue] = build_cues(words_of("Incomprehensibilities notwithstanding everything", pace=0.1), DEFAULT_OPTIONS)
    assert cue.end - cue.start == pytest.approx(len(" ".join(cue.lines)) / DEFAULT_OPTIONS.reading_speed, abs=0.1)


def test_chinese_counts_twice_and_is_broken_between_words() -> None:
    words = [
        Word(text=char, start=number / 5, end=(number + 1) / 5) for number, char in enumerate("水在天空中变成云" * 3)
    ]
    [cue] = build_cues(words, SubtitleOptions(line_length=30))
    assert len(cue.lines) == 2
    assert all(display_width(line) <= 30 for line in cue.lines)
    assert "".join(cue.lines) == "水在天空中变成云" * 3


def test_a_word_longer_than_a_line_is_not_lost() -> None:
    assert wrap_lines([" see", " https://example.org/a/very/long/address"], 16)[1].startswith("https")


def test_the_rest_after_a_pause_is_split_again_when_too_long() -> None:
    words = [
        Word(text=" a", start=0, end=1),
        Word(text=" b", start=1.5, end=2.5),
        Word(text=" c" * 9, start=2.5, end=3),
    ]
    found = build_cues(words, SubtitleOptions(line_length=18, lines=1))
    assert [cue.lines for cue in found] == [("a",), ("b",), ("c c c c c c c c c",)]


spoken_words = st.lists(
    st.tuples(st.text("abcdefgh.,水", min_size=1, max_size=20), st.floats(0.01, 2), st.floats(0, 3)), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(spoken_words, st.sampled_from([(42, 2), (20, 1), (16, 3)]))
def test_no_word_is_lost_and_no_subtitle_is_over_another(
    heard: list[tuple[str, float, float]], shape: tuple[int, int]
) -> None:
    words, at = [], 0.0
    for text, seconds, pause in heard:
        words.append(Word(text=f" {text}", start=at, end=at + seconds))
        at += seconds + pause
    options = SubtitleOptions(line_length=shape[0], lines=shape[1])
    found = build_cues(words, options)
    assert " ".join(line for cue in found for line in cue.lines).split() == [word.text.strip() for word in words]
    assert all(earlier.end <= later.start for earlier, later in pairwise(found))
    assert all(0 < cue.end - cue.start <= options.longest_seconds + 0.01 for cue in found)
    assert all(len(cue.lines) <= options.lines for cue in found)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_can_be_read_back(kind: str) -> None:
    [name] = [each for each in FORMATS if each == kind]
    found = build_cues(words_of("Rain falls. Rivers grow."), DEFAULT_OPTIONS)
    events = pysubs2.SSAFile.from_string(to_subtitle_text(found, name), format_=kind).events
    assert [(event.start, event.plaintext) for event in events] == [(0, "Rain falls."), (600, "Rivers grow.")]


def test_spoken_text_is_escaped_as_markup() -> None:
    found = build_cues([Word(text=" a<b> & {c}", start=0, end=1)], DEFAULT_OPTIONS)
    assert "a<b> & (c)" in to_subtitle_text(found, "srt")
    assert "a&lt;b&gt; &amp; (c)" in to_subtitle_text(found, "vtt")


def test_silence_gives_an_empty_and_valid_file() -> None:
    assert to_subtitle_text([], "vtt").startswith("WEBVTT")
    assert to_subtitle_text([], "srt") == ""
