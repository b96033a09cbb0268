"""Makes all kinds of small media files that the tests need. Nothing is downloaded or shipped."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

SAMPLE_RATE = 48_000


@dataclass(frozen=True, slots=True)
class MediaSpec:
    """What to make. The file's extension selects the container."""

    seconds: float = 2.0
    frame_rate: Fraction = Fraction(25)
    size: tuple[int, int] = (64, 48)
    video_codec: str | None = "libx264"
    audio_codec: str | None = "aac"
    channel_layout: str = "mono"
    audio_sample_rate: int = SAMPLE_RATE
    audio_seconds: float | None = None  # same length as the picture by default
    rotation: int = 0  # degrees, as a phone held upright records it
    pixel_aspect: Fraction = Fraction(1)
    hidden_frames: int = 0  # frames before the start that an edit list hides, as after trimming
    variable_frame_rate: bool = False
    video_start: Fraction = Fraction(0)  # seconds
    audio_start: Fraction = Fraction(0)
    options: dict[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        with av.open(path, "w", options=self.options) as film:
            picture = self._add_video_track(film, self.video_codec) if self.video_codec else None
            sound = (
                film.add_stream(self.audio_codec, rate=self.audio_sample_rate, layout=self.channel_layout)
                if self.audio_codec
                else None
            )
            if picture:
                film.mux(list(self._video_packets(picture)))
            if isinstance(sound, AudioStream):
                film.mux(list(self._audio_packets(sound)))
        return path

    def _add_video_track(self, film: OutputContainer, codec: str) -> VideoStream:
        track = film.add_stream(codec, rate=self.frame_rate, options={"x265-params": "log-level=error"})
        assert isinstance(track, VideoStream)
        track.width, track.height = self.size
        track.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        track.codec_context.gop_size = 25
        track.codec_context.sample_aspect_ratio = self.pixel_aspect
        if self.variable_frame_rate:
            track.codec_context.time_base = 1 / (self.frame_rate * 4)
        if self.rotation:
            track.set_display_rotation(self.rotation)
        return track

    def _video_packets(self, track: VideoStream) -> Iterator["Packet[Stream]"]:
        steps = 4 if self.variable_frame_rate else 1
        for number in range(round(self.seconds * self.frame_rate)):
            frame = VideoFrame.from_ndarray(noisy_frame(number, self.size), format="rgb24")
            first = round(self.video_start * self.frame_rate) - self.hidden_frames
            frame.pts = (first + number) * steps + (number % 3 if self.variable_frame_rate else 0)
            frame.time_base = 1 / (self.frame_rate * steps)
            yield from track.encode(frame)
        yield from track.encode(None)

    def _audio_packets(self, track: AudioStream) -> Iterator["Packet[Stream]"]:
        frame = AudioFrame.from_ndarray(noisy_tone(self.audio_seconds or self.seconds), format="s16", layout="mono")
        frame.sample_rate, frame.time_base = SAMPLE_RATE, Fraction(1, SAMPLE_RATE)
        frame.pts = round(self.audio_start * SAMPLE_RATE)
        context = track.codec_context
        resampler = av.AudioResampler(
            context.format, self.channel_layout, self.audio_sample_rate, context.frame_size or 1024
        )
        for piece in resampler.resample(frame) + resampler.resample(None):
            yield from track.encode(piece)
        yield from track.encode(None)


def noisy_frame(number: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A moving, noisy frame: encoded files need enough bytes for damage to hit."""
    width, height = size
    noise = np.random.default_rng(number).integers(0, 90, (height, width, 3), dtype=np.uint8)
    noise[:, (number * 2) % width :] += 100
    return noise


def noisy_tone(seconds: float) -> NDArray[np.int16]:
    """A noisy tone at 48 kHz, one channel."""
    times = np.arange(round(SAMPLE_RATE * seconds)) / SAMPLE_RATE
    noise = np.random.default_rng(1).normal(0, 400, len(times))
    return (np.sin(times * 2 * np.pi * 440) * 8000 + noise).astype(np.int16).reshape(1, -1)
