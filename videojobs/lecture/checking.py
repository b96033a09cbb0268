"""Whether a video can be worked on, before any work begins."""

from pathlib import Path
from threading import Event

from videojobs.lecture.fonts import fonts
from videojobs.lecture.models import Lecture
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.work import Progress, StoppableFile, ignored
from videojobs.media.probe import inspect_playing


def check_lecture(
    path: Path, settings: LectureSettings, *, on_progress: Progress = ignored, stop: Event | None = None
) -> Lecture:
    """Decodes all of it once, which takes about a second for each minute; what says to be too long is refused at once.

    Raises InvalidMedia, which says what is wrong, ConfigurationError for a font that cannot be used, and Stopped.
    """
    fonts(settings.fonts)
    with StoppableFile(path, stop or Event(), on_progress) as file:
        playing = inspect_playing(file, containers=settings.containers, longest=settings.max_seconds)
    facts = playing.video
    return Lecture(
        duration=playing.seconds,
        width=facts.width,
        height=facts.height,
        frame_rate=facts.frame_rate,
        has_sound=facts.has_audio,
        container=facts.container,
        size=facts.size,
    )
