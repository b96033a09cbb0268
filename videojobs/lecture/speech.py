"""Recognises a lecture's speech with the requested engine; the options decide what to do without one."""

from pathlib import Path
from threading import Event
from typing import Protocol

from videojobs.errors import NoAudioTrack, SpeechUnavailable
from videojobs.lecture.models import LectureInfo, Transcript
from videojobs.lecture.options import SpeechOptions
from videojobs.lecture.pocketsphinx_engine import PocketsphinxEngine
from videojobs.lecture.progress import ProgressCallback, no_progress
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.whisper_engine import WhisperEngine


class SpeechEngine(Protocol):
    """A speech recognition engine."""

    @property
    def name(self) -> str: ...

    def check_available(self, language: str | None) -> None:
        """Raises SpeechUnavailable if the engine cannot run here, or not in this language. Quick."""

    def transcribe(
        self, path: Path, language: str | None, duration: float, on_progress: ProgressCallback, stop: Event
    ) -> Transcript:
        """All speech. Raises SpeechUnavailable, NoAudioTrack, WorkCancelled or RetryableError."""


def select_engine(options: SpeechOptions, settings: LectureSettings) -> SpeechEngine:
    """The requested engine. It may be unavailable: call its `check_available`."""
    if options.engine == WhisperEngine.name or (options.engine == "auto" and settings.whisper_model):
        return WhisperEngine(settings)
    return PocketsphinxEngine()


def validate_speech(lecture: LectureInfo, options: SpeechOptions, settings: LectureSettings) -> None:
    """Raises the NoAudioTrack or SpeechUnavailable that `transcribe` would raise. Quick."""
    if options.without_speech == "fail":
        _check_engine(lecture, select_engine(options, settings), options)


def transcribe(
    path: Path,
    lecture: LectureInfo,
    options: SpeechOptions,
    settings: LectureSettings,
    *,
    on_progress: ProgressCallback = no_progress,
    stop: Event | None = None,
) -> Transcript:
    """Every word with its times. Silence gives no words: text is never invented.

    Without a sound track or an engine, the options decide: an error (NoAudioTrack, SpeechUnavailable), or a transcript
    without words that gives the reason. Raises WorkCancelled, and RetryableError if the engine crashed.
    """
    engine = select_engine(options, settings)
    try:
        _check_engine(lecture, engine, options)
        transcript = engine.transcribe(path, options.language, lecture.duration, on_progress, stop or Event())
    except (NoAudioTrack, SpeechUnavailable) as error:
        if options.without_speech == "fail":
            raise
        return Transcript(outcome="no_sound" if isinstance(error, NoAudioTrack) else "unavailable", reason=str(error))
    on_progress(1.0)
    return transcript


def _check_engine(lecture: LectureInfo, engine: SpeechEngine, options: SpeechOptions) -> None:
    if not lecture.has_sound:
        raise NoAudioTrack(
            "the video has no audio track, so no speech can be recognised; set without_speech to continue"
        )
    engine.check_available(options.language)
