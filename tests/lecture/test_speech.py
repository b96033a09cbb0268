"""What is said is heard by the embedded engine, and what nobody says is never made up."""

import re
from pathlib import Path
from threading import Event

import numpy as np
import psutil
import pysubs2
import pytest

from tests.lecture.course import SENTENCES, SPOKEN_AT, Course
from tests.lecture.soundtracks import with_sound
from videojobs.errors import NoSound, SpeechUnavailable, Stopped
from videojobs.lecture.checking import check_lecture
from videojobs.lecture.models import Lecture, Transcript
from videojobs.lecture.options import SpeechOptions, SubtitleOptions
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.sound import RATE, sound
from videojobs.lecture.speech import check_speech, transcribe
from videojobs.lecture.subtitles import write_subtitles

GO_ON = SpeechOptions(without_speech="continue")


def plain_words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def word_error(heard: list[str], said: list[str]) -> float:
    """Words that are wrong, missing or too many, as a share of what was said: the edit distance between the two."""
    row = list(range(len(said) + 1))
    for number, word in enumerate(heard, 1):
        before, row[0] = row[0], number
        for place, truth in enumerate(said, 1):
            before, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, before + (word != truth))
    return row[-1] / len(said)


def test_most_words_are_right(transcript: Transcript) -> None:
    assert word_error(plain_words(transcript.text), plain_words(" ".join(SENTENCES))) < 0.1
    assert (transcript.outcome, transcript.engine, transcript.language) == ("heard", "pocketsphinx", "en")


@pytest.mark.usefixtures("transcript")
def test_progress_only_rises_to_the_end(told: list[float]) -> None:
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) > 20


def test_words_stand_where_they_are_spoken(transcript: Transcript) -> None:
    for sentence, start in zip(SENTENCES, SPOKEN_AT, strict=True):
        first = plain_words(sentence)[0]
        near = [word for word in transcript.words if abs(word.start - start) < 0.5]
        assert any(word.text.strip() in (first, "hi") for word in near), sentence
    assert all(word.start < word.end for word in transcript.words)
    assert all(0 <= (word.probability or 0) <= 1 for word in transcript.words)


def test_the_transcript_goes_through_json(transcript: Transcript) -> None:
    assert Transcript.model_validate_json(transcript.model_dump_json()) == transcript


def test_subtitles_are_shown_while_their_words_are_spoken(transcript: Transcript, tmp_path: Path) -> None:
    written = write_subtitles(transcript, SubtitleOptions(), tmp_path)
    assert written.files == ["subtitles.srt", "subtitles.vtt"]
    for name in written.files:
        events = pysubs2.load(str(tmp_path / name), encoding="utf-8").events
        assert [round(event.start / 1000) for event in events] == pytest.approx([*SPOKEN_AT], abs=1)
        assert len(events) == written.cues
    assert "97" not in transcript.text  # on a slide, but nobody says it


def test_silence_gives_an_empty_and_valid_result(tmp_path: Path) -> None:
    video = with_sound(tmp_path / "silent.mp4", np.zeros(3 * 16_000, np.int16))
    lecture = check_lecture(video, LectureSettings())
    transcript = transcribe(video, lecture, SpeechOptions(), LectureSettings())
    assert (transcript.outcome, transcript.words) == ("silent", [])
    assert write_subtitles(transcript, SubtitleOptions(), tmp_path).files == ["subtitles.srt", "subtitles.vtt"]
    assert (tmp_path / "subtitles.vtt").read_text().startswith("WEBVTT")


def test_music_and_noise_are_not_taken_for_words(tmp_path: Path) -> None:
    seconds = np.arange(3 * RATE) / RATE
    notes = sum(np.sin(2 * np.pi * pitch * seconds) for pitch in (262, 330, 392)) * np.abs(np.sin(4 * seconds))
    hiss = np.random.default_rng(2).normal(0, 800, len(seconds))
    video = with_sound(tmp_path / "concert.mp4", (4000 * notes + hiss).astype(np.int16))
    lecture = check_lecture(video, LectureSettings())
    assert transcribe(video, lecture, SpeechOptions(), LectureSettings()).words == []


def test_a_sound_track_that_begins_late_gives_late_words(tmp_path: Path) -> None:
    speech = Course(until=5).write(tmp_path / "early.mp4")
    late = with_sound(tmp_path / "late.mp4", _sound_of(speech), delay=4.0)
    lecture = check_lecture(late, LectureSettings())
    words = transcribe(late, lecture, SpeechOptions(), LectureSettings()).words
    assert words[0].text == " good"
    assert words[0].start == pytest.approx(4.2, abs=0.2)


def _sound_of(path: Path) -> "np.ndarray[tuple[int], np.dtype[np.int16]]":
    return np.concatenate(list(sound(path, Event())))[: 5 * 16_000]


def test_without_a_sound_track_the_input_decides(tmp_path: Path) -> None:
    video = Course(voice=None, until=3).write(tmp_path / "mute.mp4")
    lecture = check_lecture(video, LectureSettings())
    with pytest.raises(NoSound, match="no sound track"):
        check_speech(lecture, SpeechOptions(), LectureSettings())
    with pytest.raises(NoSound):
        transcribe(video, lecture, SpeechOptions(), LectureSettings())
    transcript = transcribe(video, lecture, GO_ON, LectureSettings())
    assert (transcript.outcome, transcript.words) == ("no_sound", [])
    assert write_subtitles(transcript, SubtitleOptions(), tmp_path).files == []


@pytest.mark.parametrize(
    ("options", "settings", "says"),
    [
        ({"language": "de"}, LectureSettings(), "English only"),
        ({"engine": "faster-whisper"}, LectureSettings(), "no Whisper model is set"),
        ({}, LectureSettings(whisper_model="/no/such/folder"), "has no model.bin"),
        ({}, LectureSettings(whisper_model="enormous"), "neither a folder nor the name"),
        ({}, LectureSettings(whisper_model="tiny"), "may not be fetched"),
    ],
)
def test_an_engine_that_is_not_there_fails_or_is_gone_on_without(
    video: Path, lecture: Lecture, options: dict[str, str], settings: LectureSettings, says: str
) -> None:
    with pytest.raises(SpeechUnavailable, match=says):
        transcribe(video, lecture, SpeechOptions.model_validate(options), settings)
    going_on = SpeechOptions.model_validate({**options, "without_speech": "continue"})
    transcript = transcribe(video, lecture, going_on, settings)
    assert (transcript.outcome, transcript.words) == ("unavailable", [])
    assert says in (transcript.reason or "")


def test_a_stopped_transcription_leaves_no_process_behind(video: Path, lecture: Lecture) -> None:
    stop = Event()
    with pytest.raises(Stopped):
        transcribe(video, lecture, SpeechOptions(), LectureSettings(), on_progress=lambda _share: stop.set(), stop=stop)
    assert not [child for child in psutil.Process().children() if "sphinx_process" in " ".join(child.cmdline())]
