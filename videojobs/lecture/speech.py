"""What is said in a lecture, by the engine that was asked for; where there is none, as its options say."""

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
    """A speech recognition."""

    @property
    def name(self) -> str: ...

    def check_available(self, language: str | None) -> None:
        """Raises SpeechUnavailable where it cannot work here, or not in this language. Quick."""

    def transcribe(
        self, path: Path, language: str | None, duration: float, on_progress: ProgressCallback, stop: Event
    ) -> Transcript:
        """Everything that is said. Raises SpeechUnavailable, NoSound and Stopped, or Retryable."""


def select_engine(options: SpeechOptions, settings: LectureSettings) -> SpeechEngine:
    """The engine that was asked for, which may not be there: its `check` tells."""
    if options.engine == WhisperEngine.name or (options.engine == "auto" and settings.whisper_model):
        return WhisperEngine(settings)
    return PocketsphinxEngine()


def validate_speech(lecture: LectureInfo, options: SpeechOptions, settings: LectureSettings) -> None:
    """Raises what `transcribe` would raise, before any work begins: NoSound or SpeechUnavailable."""
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
    """Every word with its times. Text is never made up: nobody speaks, no words.

    Where there is no sound track or no engine, the options decide: an error (NoSound, SpeechUnavailable), or a
    transcript without words that says why. Raises Stopped; Retryable where the engine broke down.
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
        raise NoAudioTrack("the video has no sound track, so there is nothing to recognise; choose to go on without it")
    engine.check_available(options.language)
