"""Validates a lecture video before the processing."""

from pathlib import Path
from threading import Event

from videojobs.lecture.fonts import load_fonts
from videojobs.lecture.models import LectureInfo
from videojobs.lecture.progress import CancellableFile, ProgressCallback, no_progress
from videojobs.lecture.settings import LectureSettings
from videojobs.media.probe import probe_playback


def validate_lecture(
    path: Path, settings: LectureSettings, *, on_progress: ProgressCallback = no_progress, stop: Event | None = None
) -> LectureInfo:
    """Decode all of it once, about a second per minute of video; a declared length over the limit is rejected at once.

    Raises InvalidMedia with the reason, ConfigurationError for an unusable font, and WorkCancelled.
    """
    load_fonts(settings.fonts)
    with CancellableFile(path, stop or Event(), on_progress) as file:
        playback = probe_playback(file, containers=settings.containers, max_seconds=settings.max_seconds)
    facts = playback.video
    return LectureInfo(
        duration=playback.total_seconds,
        width=facts.width,
        height=facts.height,
        frame_rate=facts.frame_rate,
        has_sound=facts.has_audio,
        container=facts.container,
        size=facts.size,
    )
