"""What is said in a lecture, by the engine that was asked for; where there is none, as its options say."""

from pathlib import Path
from threading import Event
from typing import Protocol

from videojobs.errors import NoSound, SpeechUnavailable
from videojobs.lecture.models import Lecture, Transcript
from videojobs.lecture.options import SpeechOptions
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.sphinx import Sphinx
from videojobs.lecture.whisper import Whisper
from videojobs.lecture.work import Progress, ignored


class Engine(Protocol):
    """A speech recognition."""

    @property
    def name(self) -> str: ...

    def check(self, language: str | None) -> None:
        """Raises SpeechUnavailable where it cannot work here, or not in this language. Quick."""

    def transcribe(
        self, path: Path, language: str | None, duration: float, on_progress: Progress, stop: Event
    ) -> Transcript:
        """Everything that is said. Raises SpeechUnavailable, NoSound and Stopped, or Retryable."""


def engine_for(options: SpeechOptions, settings: LectureSettings) -> Engine:
    """The engine that was asked for, which may not be there: its `check` tells."""
    if options.engine == Whisper.name or (options.engine == "auto" and settings.whisper_model):
        return Whisper(settings)
    return Sphinx()


def check_speech(lecture: Lecture, options: SpeechOptions, settings: LectureSettings) -> None:
    """Raises what `transcribe` would raise, before any work begins: NoSound or SpeechUnavailable."""
    if options.without_speech == "fail":
        _check(lecture, engine_for(options, settings), options)


def transcribe(
    path: Path,
    lecture: Lecture,
    options: SpeechOptions,
    settings: LectureSettings,
    *,
    on_progress: Progress = ignored,
    stop: Event | None = None,
) -> Transcript:
    """Every word with its times. Text is never made up: nobody speaks, no words.

    Where there is no sound track or no engine, the options decide: an error (NoSound, SpeechUnavailable), or a
    transcript without words that says why. Raises Stopped; Retryable where the engine broke down.
    """
    engine = engine_for(options, settings)
    try:
        _check(lecture, engine, options)
        transcript = engine.transcribe(path, options.language, lecture.duration, on_progress, stop or Event())
    except (NoSound, SpeechUnavailable) as error:
        if options.without_speech == "fail":
            raise
        return Transcript(outcome="no_sound" if isinstance(error, NoSound) else "unavailable", reason=str(error))
    on_progress(1.0)
    return transcript


def _check(lecture: Lecture, engine: Engine, options: SpeechOptions) -> None:
    if not lecture.has_sound:
        raise NoSound("the video has no sound track, so there is nothing to recognise; choose to go on without it")
    engine.check(options.language)
