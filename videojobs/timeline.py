"""Carrying times from the source video over to the lip-sync result.

Areas are drawn on the source video. Lip-sync lets a segment take on the length of its audio clip (`remap`; other
modes cut, repeat or freeze), so everything behind it moves, and text removal would wipe the wrong seconds. A
*timeline* says piece by piece which part of the source is seen when in the result:

    source   |---- 0-2 ----|== 2-4 ==|---- 4-8 ----|
    result   |---- 0-2 ----|===== 2-5 =====|---- 5-9 ----|      remap: a clip of 3 s in a segment of 2 s

What happens inside a segment is documented (Sync.so 2, table of `sync_mode`); that the rest passes through untouched
is only implied (Sync.so 14). So there are two hypotheses, the vendor *changed* the length or *kept* it, and `decide`
asks the measured length of the result. Where that gives no clear answer, areas are widened, and the explanation says
so. All times are in seconds.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from videojobs.request import Segment, SyncMode
from videojobs.wording import as_seconds

Interval = tuple[float, float]
MILLISECONDS: Final = 1000
FLOAT_NOISE: Final = 1e-6  # far below a millisecond, far above what sums of floats are off by


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the source, and when it is seen.

    `source_start` is seen at `result_start` and `source_end` at `result_end`, everything between in proportion.
    Where the picture plays backward, `result_start` is the later of the two. A frozen picture, the frame just before
    an instant, has `source_start == source_end`.
    """

    source_start: float
    source_end: float
    result_start: float
    result_end: float

    def at(self, source: float) -> float:
        """When an instant of the piece is seen. Not for a frozen picture, which is seen all the time."""
        share = (source - self.source_start) / (self.source_end - self.source_start)
        return self.result_start + share * (self.result_end - self.result_start)

    def seen(self, start: float, end: float) -> Interval | None:
        """When [start, end) of the source is seen in this piece, if at all."""
        if self.source_start == self.source_end:
            frozen = start < self.source_end <= end + FLOAT_NOISE
            return (self.result_start, self.result_end) if frozen else None
        start, end = max(start, self.source_start), min(end, self.source_end)
        if start >= end:
            return None
        first, last = sorted((self.at(start), self.at(end)))
        return (first, last) if first < last else None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Pieces in the order of the result. What of the source is in no piece was cut out."""

    pieces: tuple[Piece, ...]
    result_duration: float


@dataclass(frozen=True, slots=True)
class Clip:
    """A segment of the source video and the length of the audio that it gets."""

    start: float
    end: float
    audio_seconds: float


def clips(segments: Iterable[Segment], audio_seconds: Mapping[str, float]) -> list[Clip]:
    """Segments, as they are sent, with the length of their audio: that of the crop if there is one, else of the file.

    `audio_seconds`: the length of each audio file by its refId.
    """
    found = []
    for segment in segments:
        length = audio_seconds[segment.audioInput.refId]
        start, end = segment.audioInput.part(length) or (0.0, length)
        found.append(Clip(segment.startTime, segment.endTime, end - start))
    return found


# ---- the two hypotheses --------------------------------------------------------------------------------------


def unchanged(source_duration: float) -> Timeline:
    """The vendor kept the length: everything is seen when it was."""
    return Timeline((Piece(0.0, source_duration, 0.0, source_duration),), source_duration)


def predict(source_duration: float, segments: Iterable[Clip], sync_mode: SyncMode) -> Timeline:
    """The vendor changed the length of each segment as `sync_mode` says; between segments nothing changes.

    `segments` are sorted, do not overlap, and start within the video. The last may end a little behind it, as in jobs
    of before `videojobs.fitting`.
    """
    pieces: list[Piece] = []
    source = result = 0.0
    for clip in segments:
        end = min(clip.end, source_duration)
        if clip.start > source:
            pieces.append(_moved(source, clip.start, result))
            result += clip.start - source
        inside = _inside(clip.start, end, clip.audio_seconds, sync_mode)
        pieces += [_later(piece, result) for piece in inside]
        result += max((max(piece.result_start, piece.result_end) for piece in inside), default=0.0)
        source = end
    if source < source_duration:
        pieces.append(_moved(source, source_duration, result))
        result += source_duration - source
    return Timeline(tuple(pieces), result)


def _moved(start: float, end: float, result: float) -> Piece:
    return Piece(start, end, result, result + end - start)


def _later(piece: Piece, seconds: float) -> Piece:
    return Piece(piece.source_start, piece.source_end, piece.result_start + seconds, piece.result_end + seconds)


def _inside(start: float, end: float, audio: float, sync_mode: SyncMode) -> list[Piece]:
    """A segment's own pieces, its result beginning at 0 (Sync.so 2, table of `sync_mode`)."""
    length = end - start
    if sync_mode == "remap":
        return [Piece(start, end, 0.0, audio)]
    if sync_mode == "silence" and audio <= length:  # the audio is padded
        return [Piece(start, end, 0.0, length)]
    if audio <= length:
        return [Piece(start, start + audio, 0.0, audio)]
    if sync_mode == "cut_off":  # the audio is clipped
        return [Piece(start, end, 0.0, length)]
    if sync_mode == "silence":  # the picture waits for the audio
        return [Piece(start, end, 0.0, length), Piece(end, end, length, audio)]
    return _repeated(start, end, audio, back_and_forth=sync_mode == "bounce")


def _repeated(start: float, end: float, audio: float, *, back_and_forth: bool) -> list[Piece]:
    """The picture again and again until the audio ends, every other time backward if it bounces."""
    length, pieces = end - start, []
    for turn in range(math.ceil(audio / length)):
        begin = turn * length
        part = min(length, audio - begin)
        if back_and_forth and turn % 2:
            pieces.append(Piece(end - part, end, begin + part, begin))
        else:
            pieces.append(Piece(start, start + part, begin, begin + part))
    return pieces


# ---- carrying over -------------------------------------------------------------------------------------------


def carry(start: float, end: float, timeline: Timeline) -> list[Interval]:
    """When [start, end) of the source is seen in the result: sorted, apart, and outward to the millisecond."""
    seen = (piece.seen(start, end) for piece in timeline.pieces)
    return _merged([found for found in seen if found], timeline.result_duration)


def _merged(intervals: Iterable[Interval], result_duration: float) -> list[Interval]:
    merged: list[Interval] = []
    for first, last in sorted(_outward(first, last, result_duration) for first, last in intervals):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        elif first < last:
            merged.append((first, last))
    return merged


def _outward(first: float, last: float, result_duration: float) -> Interval:
    """Rounding must not uncover anything; float noise must not widen anything."""
    down = math.floor((first + FLOAT_NOISE) * MILLISECONDS) / MILLISECONDS
    up = math.ceil((last - FLOAT_NOISE) * MILLISECONDS) / MILLISECONDS
    return max(0.0, down), min(result_duration, up)


# ---- the decision --------------------------------------------------------------------------------------------

Kind = Literal["changed", "kept", "same", "uncertain"]


@dataclass(frozen=True, slots=True)
class Decision:
    """How areas are carried over, and why.

    changed: as predicted. kept: at their old times. same: both come to the same. uncertain: the range must hold under
    every one of `timelines`, and is widened by `margin` seconds on both sides.
    """

    kind: Kind
    timelines: tuple[Timeline, ...]
    margin: float
    result_duration: float
    explanation: str


def tolerance_for(frame_rate: float, segments: int) -> float:
    """How far a measured length may be off the expected one, in seconds.

    0.1 s for what containers and the last audio packets add, and a frame for each segment, whose length is rounded to
    whole frames; roundings add up like a random walk. A result that drifts further is not what was expected.
    """
    return 0.1 + math.sqrt(segments) / frame_rate


def decide(predicted: Timeline, source_duration: float, result_duration: float, tolerance: float) -> Decision:
    """Which hypothesis the measured length of the result bears out. All lengths and the tolerance in seconds."""
    kept = unchanged(source_duration)
    off_changed = abs(result_duration - predicted.result_duration)
    off_kept = abs(result_duration - source_duration)
    if off_changed <= tolerance and off_kept <= tolerance and _differ(predicted) <= tolerance:
        return _sure("same", (predicted, kept), source_duration, result_duration)
    if off_changed <= tolerance < off_kept:
        return _sure("changed", (predicted,), source_duration, result_duration)
    if off_kept <= tolerance < off_changed:
        return _sure("kept", (kept,), source_duration, result_duration)
    in_proportion = Timeline((Piece(0.0, source_duration, 0.0, result_duration),), result_duration)
    margin = min(off_changed, off_kept)
    explanation = (
        f"The lip-sync result is {_s(result_duration)} long, which does not tell whether segments were re-timed "
        f"({_s(predicted.result_duration)} expected) or kept their length ({_s(source_duration)}): "
        f"areas are widened to cover both, and by another {_s(margin)}."
    )
    timelines = (predicted, kept, in_proportion)
    return Decision("uncertain", timelines, margin, result_duration, explanation)


def _sure(kind: Kind, timelines: Sequence[Timeline], source_duration: float, result_duration: float) -> Decision:
    reasons = {
        "changed": "as the lengths of the audio clips predict: areas move with their segments",
        "kept": "as long as the source, so segments kept their length: areas keep their times",
        "same": "as long as the source, and no segment moved: areas keep their times",
    }
    explanation = f"The lip-sync result is {_s(result_duration)} long (source {_s(source_duration)}), {reasons[kind]}."
    fitted = tuple(_reaching(timeline, source_duration, result_duration) for timeline in timelines)
    return Decision(kind, fitted, 0.0, result_duration, explanation)


def _differ(predicted: Timeline) -> float:
    """By how much the predicted timeline is off the unchanged one, at the worst of its instants."""
    ends = (
        max(abs(piece.result_start - piece.source_start), abs(piece.result_end - piece.source_end))
        for piece in predicted.pieces
    )
    return max(ends, default=0.0)


def _reaching(timeline: Timeline, source_duration: float, result_duration: float) -> Timeline:
    """The same, as long as the real result: the last frame stands for what is left, so that no area ends before it."""
    pieces = timeline.pieces
    if timeline.result_duration < result_duration:
        pieces += (Piece(source_duration, source_duration, timeline.result_duration, result_duration),)
    return Timeline(pieces, result_duration)


def carry_area(decision: Decision, start: float, end: float) -> list[Interval]:
    """When an area drawn on [start, end) of the source has to be treated in the result.

    Empty if that part of the source is not in the result (see `describe_area`). One interval as a rule; several where
    the picture is repeated.
    """
    found = [interval for timeline in decision.timelines for interval in carry(start, end, timeline)]
    if len(decision.timelines) == 1 or not found:
        return found
    first = min(interval[0] for interval in found) - decision.margin
    last = max(interval[1] for interval in found) + decision.margin
    return _merged([(first, last)], decision.result_duration)


def describe_area(decision: Decision, start: float, end: float) -> str:
    """One sentence for the log and the events: where an area went."""
    intervals = carry_area(decision, start, end)
    if not intervals:
        return f"{_s(start)} to {_s(end)} of the source is not in the result, it was cut off: nothing to treat."
    spans = " and ".join(f"{_s(first)} to {_s(last)}" for first, last in intervals)
    return f"{_s(start)} to {_s(end)} of the source is {spans} of the result."


def _s(value: float) -> str:
    return as_seconds(round(value, 3))
