"""Facts measured on a media file. Separate from the probes, so that reading the records needs no decoder."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """A video that decodes from end to end."""

    duration: float  # seconds, of the picture track
    width: int  # pixels as displayed: upright, with square pixels
    height: int
    frame_rate: float  # frames per second; the average if it varies
    frames: int
    has_audio: bool
    container: str  # `mp4`, `mov`, `webm`, `avi`
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """An audio file that decodes from end to end."""

    duration: float  # seconds, as decoded
    sample_rate: int  # Hz
    channels: int
    codec: str  # FFmpeg's name: `aac`, `pcm_s16le`
    container: str  # `wav`, `mp3`, `ogg`, `flac`, `mp4`
    size: int  # bytes
