"""Where every moment of the result comes from: the effect of segments and `sync_mode` on time. Pure arithmetic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

SyncMode = Literal["bounce", "loop", "cut_off", "silence", "remap"]
SegmentLength = Literal["changes", "kept", "odd"]
ODD_SECONDS = 1.0  # the unexplained rest at the end of an "odd" result
SAME_MOMENT = 1e-6  # seconds; sums of decimal times are not exact


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the result, `length` seconds long, showing the source's seconds `start` to `end`.

    `clip` is the segment that gives the sound, None where the source's own sound stays. `sounding` is how
    much of the piece, from its start, that sound lasts. Mode None shows the source as it is.
    """

    start: float
    end: float
    length: float
    mode: SyncMode | None = None
    clip: int | None = None
    sounding: float = 0.0

    def source_time(self, moment: float) -> float:
        """The source's second that is seen `moment` seconds into this piece."""
        span = self.end - self.start
        if self.mode == "remap":
            return self.start + moment * span / self.length
        if self.mode == "loop":
            return self.start + moment % span
        if self.mode == "bounce":
            swing = moment % (2 * span)
            return self.start + min(swing, 2 * span - swing)
        return self.start + moment


@dataclass(frozen=True, slots=True)
class Cue:
    """A segment: source seconds, the length of its sound in seconds, and its effective mode."""

    start: float
    end: float
    sound: float
    mode: SyncMode


def pieces(cues: Sequence[Cue], duration: float, segment_length: SegmentLength) -> list[Piece]:
    """The whole result in order. What lies between the cues passes through with its own sound."""
    result: list[Piece] = []
    here = 0.0
    for number, cue in sorted(enumerate(cues), key=lambda numbered: numbered[1].start):
        result.append(_passed(here, cue.start))
        result.append(_replaced(number, cue, min(cue.end, duration), segment_length))
        here = min(cue.end, duration)
    result.append(_passed(here, duration))
    if segment_length == "odd":
        result.append(Piece(duration, duration, ODD_SECONDS))
    return [piece for piece in result if piece.length > SAME_MOMENT]


def _passed(start: float, end: float) -> Piece:
    return Piece(start, end, end - start, sounding=end - start)


def _replaced(number: int, cue: Cue, end: float, segment_length: SegmentLength) -> Piece:
    """The fact sheet's table of modes: how long the segment becomes. An empty segment stays empty."""
    span = end - cue.start
    if span <= SAME_MOMENT:
        return Piece(cue.start, end, 0.0)
    if segment_length == "kept":
        return Piece(cue.start, end, span, "cut_off", number, min(cue.sound, span))
    length = {"cut_off": min(span, cue.sound), "silence": max(span, cue.sound)}.get(cue.mode, cue.sound)
    return Piece(cue.start, end, length, cue.mode, number, min(cue.sound, length))


def total(parts: Sequence[Piece]) -> float:
    """Length of the result in seconds."""
    return math.fsum(piece.length for piece in parts)


def picture_order(parts: Sequence[Piece], rate: Fraction, frames: int) -> list[int]:
    """For each picture of the result, the number of the source picture that it shows."""
    order: list[int] = []
    begin = 0.0
    for piece in parts:
        last = max(0, math.ceil((piece.end - SAME_MOMENT) * rate) - 1)
        while len(order) / rate < begin + piece.length - SAME_MOMENT:
            moment = max(0.0, float(len(order) / rate) - begin)
            source = math.floor((piece.source_time(moment) + SAME_MOMENT) * rate)
            order.append(max(0, min(source, last, frames - 1)))
        begin += piece.length
    return order
