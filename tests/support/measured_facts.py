"""Media facts as the probes would measure them."""

from dataclasses import replace
from typing import Any

from videojobs.media.facts import AudioFacts, VideoFacts

_VIDEO = VideoFacts(10.0, 640, 360, 25.0, 250, True, "mp4", 1)
_AUDIO = AudioFacts(2.0, 48_000, 1, "pcm_s16le", "wav", 1)


def video_facts(**changes: Any) -> VideoFacts:
    return replace(_VIDEO, **changes)


def audio_facts(**changes: Any) -> AudioFacts:
    return replace(_AUDIO, **changes)
