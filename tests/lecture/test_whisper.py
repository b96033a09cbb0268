"""The real faster-whisper runs, with its voice detection and word times, on a model that says the same all the time."""

from pathlib import Path
from threading import Event

import numpy as np
import pytest

from tests.lecture.course import LENGTH
from tests.lecture.soundtracks import with_sound
from tests.lecture.tiny_whisper import SAYS, WORDS
from videojobs.errors import SpeechUnavailable, Stopped
from videojobs.lecture import sound
from videojobs.lecture import whisper as engine
from videojobs.lecture.checking import check_lecture
from videojobs.lecture.models import Lecture
from videojobs.lecture.options import SpeechOptions
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.speech import transcribe


def test_words_have_times_and_the_language_is_detected(video: Path, lecture: Lecture, whisper: LectureSettings) -> None:
    told: list[float] = []
    transcript = transcribe(video, lecture, SpeechOptions(), whisper, on_progress=told.append)
    assert {word.text for word in transcript.words} <= set(WORDS)
    assert len(transcript.words) >= 2 * (SAYS - 4)  # in each of two windows of 30 s
    assert all(0 <= word.start <= word.end <= LENGTH for word in transcript.words)
    assert transcript.words == sorted(transcript.words, key=lambda word: word.start)
    assert (transcript.engine, transcript.model, transcript.language) == ("faster-whisper", "tiny", "en")
    assert transcript.language_probability is not None
    assert transcript.language_probability > 0.5
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) > 3


def test_where_nobody_speaks_there_are_no_words(tmp_path: Path, whisper: LectureSettings) -> None:
    rumble = np.random.default_rng(5).normal(0, 60, 4 * sound.RATE).astype(np.int16)
    video = with_sound(tmp_path / "rumble.mp4", rumble)
    transcript = transcribe(video, check_lecture(video, whisper), SpeechOptions(), whisper)
    assert (transcript.outcome, transcript.words, transcript.language) == ("silent", [], None)


def test_the_model_is_loaded_once(video: Path, lecture: Lecture, whisper: LectureSettings) -> None:
    transcribe(video, lecture, SpeechOptions(language="en"), whisper)
    assert engine.loaded(whisper) is engine.loaded(LectureSettings.model_validate(whisper.model_dump()))


def test_a_language_that_was_asked_for_is_kept(video: Path, lecture: Lecture, whisper: LectureSettings) -> None:
    transcript = transcribe(video, lecture, SpeechOptions(language="de"), whisper)
    assert (transcript.language, transcript.language_probability) == ("de", None)


def test_a_language_that_the_model_does_not_know_is_refused(
    video: Path, lecture: Lecture, whisper: LectureSettings
) -> None:
    with pytest.raises(SpeechUnavailable, match="does not know the language `xx`"):
        transcribe(video, lecture, SpeechOptions(language="xx"), whisper)


def test_a_long_lecture_is_heard_in_pieces_on_one_timeline(
    video: Path, lecture: Lecture, whisper: LectureSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "pieces", lambda path, stop: sound.pieces(path, stop, longest=12.0))
    words = transcribe(video, lecture, SpeechOptions(), whisper).words
    assert len(words) >= 4 * (SAYS - 4)
    assert words[-1].start > 35
    assert words == sorted(words, key=lambda word: word.start)


def test_pieces_are_the_whole_sound_and_bounded(video: Path) -> None:
    pieces = list(sound.pieces(video, Event(), longest=10.0))
    assert max(len(piece.samples) for piece in pieces) <= 20 * sound.RATE
    assert [piece.start for piece in pieces[1:]] == [piece.end for piece in pieces[:-1]]
    assert pieces[-1].end == pytest.approx(LENGTH, abs=0.2)


def test_it_stops_when_it_is_told_to(video: Path, lecture: Lecture, whisper: LectureSettings) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(Stopped):
        transcribe(video, lecture, SpeechOptions(), whisper, stop=stop)


def test_a_broken_model_is_a_clear_error(video: Path, lecture: Lecture, tmp_path: Path) -> None:
    for name in engine.MODEL_FILES:
        (tmp_path / name).write_text("{}")
    with pytest.raises(SpeechUnavailable, match="cannot be loaded"):
        transcribe(video, lecture, SpeechOptions(), LectureSettings(whisper_model=str(tmp_path)))
