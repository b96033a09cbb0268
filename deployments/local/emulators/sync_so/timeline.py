"""Maps the result's times to the source's: the effect of segments and `sync_mode`. Pure arithmetic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

SyncMode = Literal["bounce", "loop", "cut_off", "silence", "remap"]
SegmentLength = Literal["changes", "kept", "odd"]
ODD_TAIL_SECONDS = 1.0  # the unexplained extra time at the end of an "odd" result
TIME_EPSILON = 1e-6  # seconds; sums of decimal times are not exact


@dataclass(frozen=True, slots=True)
class OutputPiece:
    """A part of the result, `length` seconds long, which shows the source's seconds `start` to `end`.

    `clip` is the segment with the audio; None keeps the source's own. `audio_length` is its duration, from
    the start of the piece. Mode None shows the source unchanged.
    """

    start: float
    end: float
    length: float
    mode: SyncMode | None = None
    clip: int | None = None
    audio_length: float = 0.0

    def source_time(self, moment: float) -> float:
        """The source time shown `moment` seconds into this piece."""
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
class SegmentTiming:
    """A segment: source seconds, the length of its audio in seconds, and its effective mode."""

    start: float
    end: float
    audio_length: float
    mode: SyncMode


def build_pieces(cues: Sequence[SegmentTiming], duration: float, segment_length: SegmentLength) -> list[OutputPiece]:
    """The whole result in order. The source between the cues passes through with its own audio."""
    result: list[OutputPiece] = []
    here = 0.0
    for number, cue in sorted(enumerate(cues), key=lambda numbered: numbered[1].start):
        result.append(_passthrough_piece(here, cue.start))
        result.append(_segment_piece(number, cue, min(cue.end, duration), segment_length))
        here = min(cue.end, duration)
    result.append(_passthrough_piece(here, duration))
    if segment_length == "odd":
        result.append(OutputPiece(duration, duration, ODD_TAIL_SECONDS))
    return [piece for piece in result if piece.length > TIME_EPSILON]


def _passthrough_piece(start: float, end: float) -> OutputPiece:
    return OutputPiece(start, end, end - start, audio_length=end - start)


def _segment_piece(number: int, cue: SegmentTiming, end: float, segment_length: SegmentLength) -> OutputPiece:
    """The fact sheet's table of modes: how long the segment becomes. An empty segment stays empty."""
    span = end - cue.start
    if span <= TIME_EPSILON:
        return OutputPiece(cue.start, end, 0.0)
    if segment_length == "kept":
        return OutputPiece(cue.start, end, span, "cut_off", number, min(cue.audio_length, span))
    length = {"cut_off": min(span, cue.audio_length), "silence": max(span, cue.audio_length)}.get(
        cue.mode, cue.audio_length
    )
    return OutputPiece(cue.start, end, length, cue.mode, number, min(cue.audio_length, length))


def total_length(parts: Sequence[OutputPiece]) -> float:
    """Length of the result in seconds."""
    return math.fsum(piece.length for piece in parts)


def frame_order(parts: Sequence[OutputPiece], rate: Fraction, frames: int) -> list[int]:
    """The index of the source frame for each frame of the result."""
    order: list[int] = []
    begin = 0.0
    for piece in parts:
        last = max(0, math.ceil((piece.end - TIME_EPSILON) * rate) - 1)
        while len(order) / rate < begin + piece.length - TIME_EPSILON:
            moment = max(0.0, float(len(order) / rate) - begin)
            source = math.floor((piece.source_time(moment) + TIME_EPSILON) * rate)
            order.append(max(0, min(source, last, frames - 1)))
        begin += piece.length
    return order
