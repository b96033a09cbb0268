"""The sound track as speech recognition wants it: one channel of 16,000 samples a second, in pieces of bounded size."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from videojobs.errors import NoSound
from videojobs.lecture.work import go_on
from videojobs.media.decoding import opened
from videojobs.media.tracks import sound_of

Samples = NDArray[np.int16]

RATE: Final = 16_000  # samples a second, which both engines' models were made for
LONGEST: Final = 300.0  # seconds of a piece: 10 MB, and Whisper's own windows are 30 s
_TAIL: Final = 30.0  # seconds at a piece's end in which the quietest place is looked for
_WINDOW: Final = 0.3  # seconds; a pause between two sentences
_HOLE: Final = 0.1  # seconds missing in the track before silence is put in: subtitles must not run ahead


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the sound, from a second of the lecture on."""

    start: float
    samples: Samples

    @property
    def end(self) -> float:
        return self.start + len(self.samples) / RATE


def pieces(path: Path, stop: Event, longest: float = LONGEST) -> Iterator[Piece]:
    """The whole sound track in pieces of at most so many seconds, cut where it is quiet. Raises NoSound and Stopped."""
    waiting, start = np.zeros(0, np.int16), 0.0
    for block in _even_blocks(sound(path, stop)):
        waiting = np.concatenate([waiting, block])
        if len(waiting) >= longest * RATE:
            cut = quietest(waiting, min(_TAIL, longest / 2))
            piece = Piece(start, waiting[:cut])
            yield piece
            waiting, start = waiting[cut:], piece.end
    if len(waiting):
        yield Piece(start, waiting)


def quietest(samples: Samples, tail: float) -> int:
    """The sample in the middle of the quietest moment of the last `tail` seconds."""
    first = max(0, len(samples) - int(tail * RATE))
    energy = np.cumsum(np.square(samples[first:].astype(np.float64)))
    width = int(_WINDOW * RATE)
    if len(energy) <= width:
        return len(samples)
    return first + int(np.argmin(energy[width:] - energy[:-width])) + width // 2


def sound(path: Path, stop: Event) -> Iterator[Samples]:
    """The sound track from the start of the file, without holes: where it has one, there is silence."""
    with opened(path) as media:
        track = sound_of(media.container)
        if track is None:
            raise NoSound("the video has no sound track that can be heard")
        yield from _heard(media.container, track, stop)


def _even_blocks(blocks: Iterator[Samples]) -> Iterator[Samples]:
    """At least ten seconds each: a decoder's are a fiftieth of one, and each would copy what waits."""
    gathered: list[Samples] = []
    length = 0
    for block in blocks:
        gathered.append(block)
        length += len(block)
        if length >= 10 * RATE:
            yield np.concatenate(gathered)
            gathered, length = [], 0
    if gathered:
        yield np.concatenate(gathered)


def _heard(container: InputContainer, track: AudioStream, stop: Event) -> Iterator[Samples]:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    origin, fed = (container.start_time or 0) / av.time_base, 0.0
    for frame in _frames(container, track, stop):
        missing = (frame.time or 0.0) - origin - fed if frame.time is not None else 0.0
        if missing > _HOLE:
            yield from _silence(missing)
            fed += missing
        fed += frame.samples / frame.sample_rate
        frame.pts = None  # the resampler would fill the same hole once more
        for piece in resampler.resample(frame):
            yield _samples(piece)
    for piece in resampler.resample(None):
        yield _samples(piece)


def _samples(frame: AudioFrame) -> Samples:
    return np.asarray(frame.to_ndarray(), np.int16).reshape(-1)


def _silence(seconds: float) -> Iterator[Samples]:
    """In blocks of a second: a hole may be hours long."""
    left = round(seconds * RATE)
    while left > 0:
        yield np.zeros(min(left, RATE), np.int16)
        left -= RATE


def _frames(container: InputContainer, track: AudioStream, stop: Event) -> Iterator[AudioFrame]:
    packets = container.demux(track)
    while True:
        go_on(stop)
        try:
            yield from (frame for frame in next(packets).decode() if isinstance(frame, AudioFrame))
        except StopIteration:
            return
        except av.InvalidDataError:
            continue
