"""Writes the scene into a video file, with burned-in text and audio."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from deployments.local.quality.audio import read_audio
from deployments.local.sample.captions import Caption
from deployments.local.sample.scene import LakeScene, RgbFrame

SIZE: Final = (640, 360)
RATE: Final = Fraction(25)
AUDIO_RATE: Final = 48_000  # Hz
AUDIO_BIT_RATE: Final = 128_000  # bit/s
FAST_START: Final = {"movflags": "faststart"}  # playback can start during the download
# Quality high enough that measurements see the picture, not coding artifacts. Two threads, so that every machine
# writes the same file.
ENCODER_OPTIONS: Final = {"crf": "14", "preset": "veryfast", "threads": "2"}


def write_clip(
    path: Path,
    *,
    seconds: float = 10.0,
    size: tuple[int, int] = SIZE,
    fps: Fraction = RATE,
    captions: Sequence[Caption] = (),
    sound: Path | None = None,
    clean: Path | None = None,
) -> None:
    """An H.264 video of the lake at dawn; `size` is (width, height) in pixels, both even.

    `sound` is a file whose audio is used, cut or padded with silence to the length of the picture; without it,
    there is no sound track. `clean` is the path for the same video without captions.
    """
    scene = LakeScene(size)
    with ExitStack() as stack:
        form = _ClipSpec(seconds, size, fps, sound)
        files = [stack.enter_context(av.open(file, "w", options=FAST_START)) for file in (path, clean) if file]
        films = [_VideoWriter(file, form) for file in files]
        for number in range(round(seconds * fps)):
            time = float(number / fps)
            picture = scene.render(time)
            for film, texts in zip(films, (captions, ()), strict=False):
                film.write_frame(_burn_captions(picture, texts, time), number)
        for film in films:
            film.finish()


def _burn_captions(picture: RgbFrame, captions: Sequence[Caption], time: float) -> RgbFrame:
    for caption in captions:
        picture = caption.burn_into(picture, time)
    return picture


@dataclass(frozen=True, slots=True)
class _ClipSpec:
    """What both files share."""

    seconds: float
    size: tuple[int, int]
    rate: Fraction
    sound: Path | None


class _VideoWriter:
    """Writes one file."""

    def __init__(self, file: OutputContainer, spec: "_ClipSpec") -> None:
        self._file = file
        self._rate = spec.rate
        self._picture: VideoStream = file.add_stream("libx264", rate=spec.rate, options=ENCODER_OPTIONS)
        self._picture.width, self._picture.height = spec.size
        self._picture.pix_fmt = "yuv420p"
        self._track: AudioStream | None = None
        self._pending_audio: deque[AudioFrame] = deque()
        if spec.sound:
            self._track = file.add_stream("aac", rate=AUDIO_RATE, layout="mono")
            self._track.bit_rate = AUDIO_BIT_RATE
            self._pending_audio.extend(_audio_frames(spec.sound, spec.seconds, self._track))

    def write_frame(self, picture: RgbFrame, number: int) -> None:
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = number, 1 / self._rate
        self._file.mux(self._picture.encode(frame))
        self._write_audio_until(float(number / self._rate))

    def finish(self) -> None:
        self._file.mux(self._picture.encode(None))
        self._write_audio_until(math.inf)
        if self._track:
            self._file.mux(self._track.encode(None))

    def _write_audio_until(self, time: float) -> None:
        """Interleave picture and audio, as players require."""
        while self._track and self._pending_audio and (self._pending_audio[0].time or 0.0) <= time:
            self._file.mux(self._track.encode(self._pending_audio.popleft()))


def _audio_frames(file: Path, seconds: float, track: AudioStream) -> Iterator[AudioFrame]:
    """A file's audio in the track's format, cut or padded with silence to `seconds`."""
    count = round(seconds * AUDIO_RATE)
    samples = read_audio(file, AUDIO_RATE)[:count]
    frame = AudioFrame.from_ndarray(np.pad(samples, (0, count - len(samples)))[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, 0, Fraction(1, AUDIO_RATE)
    resampler = av.AudioResampler(track.format, "mono", AUDIO_RATE, track.frame_size)
    yield from resampler.resample(frame)
    yield from resampler.resample(None)
