"""The real faster-whisper runs, with its voice detection and word times, on a model whose output is constant."""

from pathlib import Path
from threading import Event

import numpy as np
import pytest

from tests.support.audio_factory import write_slide_with_audio
from tests.support.sample_lecture import SPEECH_SECONDS
from tests.support.tiny_whisper import WORDS, WORDS_PER_SEGMENT
from videojobs.errors import SpeechUnavailable, WorkCancelled
from videojobs.lecture import audio_chunks
from videojobs.lecture import whisper_engine as engine
from videojobs.lecture.models import LectureInfo
from videojobs.lecture.options import SpeechOptions
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.speech import transcribe
from videojobs.lecture.validation import validate_lecture


def test_words_have_times_and_the_language_is_detected(
    video: Path, lecture: LectureInfo, whisper: LectureSettings
) -> None:
    progress_reports: list[float] = []
    transcript = transcribe(video, lecture, SpeechOptions(), whisper, on_progress=progress_reports.append)
    assert {word.text for word in transcript.words} <= set(WORDS)
    assert len(transcript.words) >= 2 * (WORDS_PER_SEGMENT - 4)  # in each of two windows of 30 s
    assert all(0 <= word.start <= word.end <= SPEECH_SECONDS for word in transcript.words)
    assert transcript.words == sorted(transcript.words, key=lambda word: word.start)
    assert (transcript.engine, transcript.model, transcript.language) == ("faster-whisper", "tiny", "en")
    assert transcript.language_probability is not None
    assert transcript.language_probability > 0.5
    assert progress_reports == sorted(progress_reports)
    assert progress_reports[-1] == 1
    assert len(progress_reports) > 3


def test_silence_gives_no_words(tmp_path: Path, whisper: LectureSettings) -> None:
    rumble = np.random.default_rng(5).normal(0, 60, 4 * audio_chunks.SAMPLE_RATE).astype(np.int16)
    video = write_slide_with_audio(tmp_path / "rumble.mp4", rumble)
    transcript = transcribe(video, validate_lecture(video, whisper), SpeechOptions(), whisper)
    assert (transcript.outcome, transcript.words, transcript.language) == ("silent", [], None)


def test_the_model_is_loaded_once(video: Path, lecture: LectureInfo, whisper: LectureSettings) -> None:
    transcribe(video, lecture, SpeechOptions(language="en"), whisper)
    assert engine.load_model(whisper) is engine.load_model(LectureSettings.model_validate(whisper.model_dump()))


def test_the_requested_language_is_kept(video: Path, lecture: LectureInfo, whisper: LectureSettings) -> None:
    transcript = transcribe(video, lecture, SpeechOptions(language="de"), whisper)
    assert (transcript.language, transcript.language_probability) == ("de", None)


def test_a_language_that_the_model_does_not_know_is_refused(
    video: Path, lecture: LectureInfo, whisper: LectureSettings
) -> None:
    with pytest.raises(SpeechUnavailable, match="does not support the language `xx`"):
        transcribe(video, lecture, SpeechOptions(language="xx"), whisper)


def test_audio_chunks_share_one_timeline(
    video: Path, lecture: LectureInfo, whisper: LectureSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        engine, "audio_chunks", lambda path, stop: audio_chunks.audio_chunks(path, stop, max_seconds=12.0)
    )
    words = transcribe(video, lecture, SpeechOptions(), whisper).words
    assert len(words) >= 4 * (WORDS_PER_SEGMENT - 4)
    assert words[-1].start > 35
    assert words == sorted(words, key=lambda word: word.start)


def test_chunks_cover_the_whole_audio_and_are_bounded(video: Path) -> None:
    pieces = list(audio_chunks.audio_chunks(video, Event(), max_seconds=10.0))
    assert max(len(piece.samples) for piece in pieces) <= 20 * audio_chunks.SAMPLE_RATE
    assert [piece.start for piece in pieces[1:]] == [piece.end for piece in pieces[:-1]]
    assert pieces[-1].end == pytest.approx(SPEECH_SECONDS, abs=0.2)


def test_transcription_stops_on_request(video: Path, lecture: LectureInfo, whisper: LectureSettings) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(WorkCancelled):
        transcribe(video, lecture, SpeechOptions(), whisper, stop=stop)


def test_a_broken_model_is_a_clear_error(video: Path, lecture: LectureInfo, tmp_path: Path) -> None:
    for name in engine.MODEL_FILES:
        (tmp_path / name).write_text("{}")
    with pytest.raises(SpeechUnavailable, match="cannot be loaded"):
        transcribe(video, lecture, SpeechOptions(), LectureSettings(whisper_model=str(tmp_path)))
