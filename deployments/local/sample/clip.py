"""Writes the scene into a video file, with text burned in and a sound under it."""

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

from deployments.local.measure.sound import read_sound
from deployments.local.sample.captions import Caption
from deployments.local.sample.scene import Lake, Picture

SIZE: Final = (640, 360)
RATE: Final = Fraction(25)
SOUND_RATE: Final = 48_000  # Hz
SOUND_BITS: Final = 128_000  # a second
FAST_START: Final = {"movflags": "faststart"}  # players can begin before they have all of it
# Fine enough that later copies are compared with the picture, not with its coding. Two threads, so that every machine
# writes the same file.
CODING: Final = {"crf": "14", "preset": "veryfast", "threads": "2"}


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

    `sound` is a file whose sound is taken, cut or filled with silence to the length of the picture; without one
    there is no sound track. `clean` is where the same video goes without the captions.
    """
    scene = Lake(size)
    with ExitStack() as stack:
        form = _Form(seconds, size, fps, sound)
        files = [stack.enter_context(av.open(file, "w", options=FAST_START)) for file in (path, clean) if file]
        films = [_Film(file, form) for file in files]
        for number in range(round(seconds * fps)):
            time = float(number / fps)
            picture = scene.at(time)
            for film, texts in zip(films, (captions, ()), strict=False):
                film.show(_burned(picture, texts, time), number)
        for film in films:
            film.finish()


def _burned(picture: Picture, captions: Sequence[Caption], time: float) -> Picture:
    for caption in captions:
        picture = caption.burn(picture, time)
    return picture


@dataclass(frozen=True, slots=True)
class _Form:
    """What both files have in common."""

    seconds: float
    size: tuple[int, int]
    rate: Fraction
    sound: Path | None


class _Film:
    """One file that is being written."""

    def __init__(self, file: OutputContainer, form: "_Form") -> None:
        self._file = file
        self._rate = form.rate
        self._picture: VideoStream = file.add_stream("libx264", rate=form.rate, options=CODING)
        self._picture.width, self._picture.height = form.size
        self._picture.pix_fmt = "yuv420p"
        self._track: AudioStream | None = None
        self._pieces: deque[AudioFrame] = deque()
        if form.sound:
            self._track = file.add_stream("aac", rate=SOUND_RATE, layout="mono")
            self._track.bit_rate = SOUND_BITS
            self._pieces.extend(_pieces(form.sound, form.seconds, self._track))

    def show(self, picture: Picture, number: int) -> None:
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = number, 1 / self._rate
        self._file.mux(self._picture.encode(frame))
        self._sound_until(float(number / self._rate))

    def finish(self) -> None:
        self._file.mux(self._picture.encode(None))
        self._sound_until(math.inf)
        if self._track:
            self._file.mux(self._track.encode(None))

    def _sound_until(self, time: float) -> None:
        """Picture and sound lie side by side in the file, as players want it."""
        while self._track and self._pieces and (self._pieces[0].time or 0.0) <= time:
            self._file.mux(self._track.encode(self._pieces.popleft()))


def _pieces(file: Path, seconds: float, track: AudioStream) -> Iterator[AudioFrame]:
    """The sound of a file in the track's own form, cut or filled with silence to so many seconds."""
    count = round(seconds * SOUND_RATE)
    samples = read_sound(file, SOUND_RATE)[:count]
    frame = AudioFrame.from_ndarray(np.pad(samples, (0, count - len(samples)))[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
    resampler = av.AudioResampler(track.format, "mono", SOUND_RATE, track.frame_size)
    yield from resampler.resample(frame)
    yield from resampler.resample(None)
