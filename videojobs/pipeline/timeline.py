"""Maps times of the source video to times of the lip-sync result.

Areas are drawn on the source video. Lip-sync gives a segment the length of its audio clip (`remap`; other modes cut,
repeat or freeze), so everything after it moves, and text removal would erase the wrong seconds. A *timeline* says piece
by piece when each part of the source is visible in the result:

    source   |---- 0-2 ----|== 2-4 ==|---- 4-8 ----|
    result   |---- 0-2 ----|===== 2-5 =====|---- 5-9 ----|      remap: a clip of 3 s in a segment of 2 s

What happens inside a segment is documented (Sync.so 2, table of `sync_mode`); that the rest passes through untouched
is only implied (Sync.so 14). So there are two hypotheses, `retimed` and `unchanged`, and `choose_timeline` decides by
the measured length of the result. If that is ambiguous, areas are widened, and the explanation says so. All times are
in seconds.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from videojobs.requests.models import Segment, SyncMode
from videojobs.text import format_seconds

Interval = tuple[float, float]
MS_PER_SECOND: Final = 1000
FLOAT_TOLERANCE: Final = 1e-6  # far below a millisecond, far above what sums of floats are off by


@dataclass(frozen=True, slots=True)
class TimelinePiece:
    """A part of the source, and when it is visible in the result.

    `source_start` is visible at `result_start` and `source_end` at `result_end`, everything between in proportion.
    If the picture plays backward, `result_start` is the later of the two. A frozen picture, the frame just before
    an instant, has `source_start == source_end`.
    """

    source_start: float
    source_end: float
    result_start: float
    result_end: float

    def map_instant(self, source_time: float) -> float:
        """When an instant of the piece is visible. Not for a frozen picture, which is visible throughout."""
        share = (source_time - self.source_start) / (self.source_end - self.source_start)
        return self.result_start + share * (self.result_end - self.result_start)

    def map_interval(self, start: float, end: float) -> Interval | None:
        """When [start, end) of the source is visible in this piece, if at all."""
        if self.source_start == self.source_end:
            frozen = start < self.source_end <= end + FLOAT_TOLERANCE
            return (self.result_start, self.result_end) if frozen else None
        start, end = max(start, self.source_start), min(end, self.source_end)
        if start >= end:
            return None
        first, last = sorted((self.map_instant(start), self.map_instant(end)))
        return (first, last) if first < last else None


@dataclass(frozen=True, slots=True)
class Timeline:
    """Pieces in the order of the result. Parts of the source in no piece were cut out."""

    pieces: tuple[TimelinePiece, ...]
    result_duration: float


@dataclass(frozen=True, slots=True)
class SegmentAudio:
    """A segment of the source video and the length of the audio that it gets."""

    start: float
    end: float
    audio_seconds: float


def segment_audio(
    segments: Sequence[Segment], audio_seconds: Mapping[str, float], video_seconds: float
) -> list[SegmentAudio]:
    """Segments, as they are sent, with the length of their audio: that of the crop if there is one, else of the file.

    Without segments, the one audio file is for the whole video, if there is one at all. `audio_seconds`: the length of
    each audio file by its refId.
    """
    if not segments:
        return [SegmentAudio(0.0, video_seconds, length) for length in audio_seconds.values()]
    found = []
    for segment in segments:
        length = audio_seconds[segment.audioInput.refId]
        start, end = segment.audioInput.crop_range(length) or (0.0, length)
        found.append(SegmentAudio(segment.startTime, segment.endTime, end - start))
    return found


# ---- the two hypotheses --------------------------------------------------------------------------------------


def identity_timeline(source_duration: float) -> Timeline:
    """The vendor kept the length: times are unchanged."""
    return Timeline((TimelinePiece(0.0, source_duration, 0.0, source_duration),), source_duration)


def predict_timeline(source_duration: float, segments: Iterable[SegmentAudio], sync_mode: SyncMode) -> Timeline:
    """The vendor changed the length of each segment as `sync_mode` says; between segments nothing changes.

    `segments` are sorted, do not overlap, and start within the video. The last may end a little behind it, as in jobs
    of before `videojobs.pipeline.segment_adjustment`.
    """
    pieces: list[TimelinePiece] = []
    source = result = 0.0
    for clip in segments:
        end = min(clip.end, source_duration)
        if clip.start > source:
            pieces.append(_passthrough(source, clip.start, result))
            result += clip.start - source
        inside = _segment_pieces(clip.start, end, clip.audio_seconds, sync_mode)
        pieces += [_shift(piece, result) for piece in inside]
        result += max((max(piece.result_start, piece.result_end) for piece in inside), default=0.0)
        source = end
    if source < source_duration:
        pieces.append(_passthrough(source, source_duration, result))
        result += source_duration - source
    return Timeline(tuple(pieces), result)


def _passthrough(start: float, end: float, result: float) -> TimelinePiece:
    return TimelinePiece(start, end, result, result + end - start)


def _shift(piece: TimelinePiece, seconds: float) -> TimelinePiece:
    return TimelinePiece(piece.source_start, piece.source_end, piece.result_start + seconds, piece.result_end + seconds)


def _segment_pieces(start: float, end: float, audio: float, sync_mode: SyncMode) -> list[TimelinePiece]:
    """A segment's own pieces, its result beginning at 0 (Sync.so 2, table of `sync_mode`)."""
    length = end - start
    if sync_mode == "remap":
        return [TimelinePiece(start, end, 0.0, audio)]
    if sync_mode == "silence" and audio <= length:  # the audio is padded
        return [TimelinePiece(start, end, 0.0, length)]
    if audio <= length:
        return [TimelinePiece(start, start + audio, 0.0, audio)]
    if sync_mode == "cut_off":  # the audio is clipped
        return [TimelinePiece(start, end, 0.0, length)]
    if sync_mode == "silence":  # the picture waits for the audio
        return [TimelinePiece(start, end, 0.0, length), TimelinePiece(end, end, length, audio)]
    return _repeat_pieces(start, end, audio, back_and_forth=sync_mode == "bounce")


def _repeat_pieces(start: float, end: float, audio: float, *, back_and_forth: bool) -> list[TimelinePiece]:
    """The picture again and again until the audio ends, every other time backward if it bounces."""
    length, pieces = end - start, []
    for turn in range(math.ceil(audio / length)):
        begin = turn * length
        part = min(length, audio - begin)
        if back_and_forth and turn % 2:
            pieces.append(TimelinePiece(end - part, end, begin + part, begin))
        else:
            pieces.append(TimelinePiece(start, start + part, begin, begin + part))
    return pieces


# ---- mapping ------------------------------------------------------------------------------------------------


def map_interval(start: float, end: float, timeline: Timeline) -> list[Interval]:
    """When [start, end) of the source is visible in the result: sorted, disjoint, rounded outward to 1 ms."""
    seen = (piece.map_interval(start, end) for piece in timeline.pieces)
    return _merge_intervals([found for found in seen if found], timeline.result_duration)


def _merge_intervals(intervals: Iterable[Interval], result_duration: float) -> list[Interval]:
    result: list[Interval] = []
    for first, last in sorted(_round_outward(first, last, result_duration) for first, last in intervals):
        if result and first <= result[-1][1]:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        elif first < last:
            result.append((first, last))
    return result


def _round_outward(first: float, last: float, result_duration: float) -> Interval:
    """Rounding must not shrink an interval; float noise must not widen it."""
    down = math.floor((first + FLOAT_TOLERANCE) * MS_PER_SECOND) / MS_PER_SECOND
    up = math.ceil((last - FLOAT_TOLERANCE) * MS_PER_SECOND) / MS_PER_SECOND
    return max(0.0, down), min(result_duration, up)


# ---- the decision --------------------------------------------------------------------------------------------

TimelineKind = Literal["retimed", "unchanged", "equivalent", "ambiguous"]


@dataclass(frozen=True, slots=True)
class TimelineChoice:
    """How areas are mapped, and why.

    retimed: as predicted. unchanged: at their source times. equivalent: both give the same. ambiguous: the interval
    covers all `timelines` and is widened by `margin` seconds on both sides.
    """

    kind: TimelineKind
    timelines: tuple[Timeline, ...]
    margin: float
    result_duration: float
    explanation: str


def length_tolerance(frame_rate: float, segments: int) -> float:
    """How far a measured length may be off the expected one, in seconds.

    0.1 s for what containers and the last audio packets add, and a frame for each segment, whose length is rounded to
    whole frames; roundings add up like a random walk. A result that drifts further is not what was expected.
    """
    return 0.1 + math.sqrt(segments) / frame_rate


def source_timeline(source_duration: float) -> TimelineChoice:
    """The choice for a job without lip-sync. The length is in seconds."""
    explanation = "There is no lip-sync: areas keep their times."
    return TimelineChoice("unchanged", (identity_timeline(source_duration),), 0.0, source_duration, explanation)


def choose_timeline(
    predicted: Timeline, source_duration: float, result_duration: float, tolerance: float
) -> TimelineChoice:
    """The hypothesis that the measured length of the result supports. Lengths and tolerance are in seconds."""
    identity = identity_timeline(source_duration)
    predicted_error = abs(result_duration - predicted.result_duration)
    identity_error = abs(result_duration - source_duration)
    if predicted_error <= tolerance and identity_error <= tolerance and _max_shift(predicted) <= tolerance:
        return _certain_choice("equivalent", (predicted, identity), source_duration, result_duration)
    if predicted_error <= tolerance < identity_error:
        return _certain_choice("retimed", (predicted,), source_duration, result_duration)
    if identity_error <= tolerance < predicted_error:
        return _certain_choice("unchanged", (identity,), source_duration, result_duration)
    in_proportion = Timeline((TimelinePiece(0.0, source_duration, 0.0, result_duration),), result_duration)
    margin = min(predicted_error, identity_error)
    explanation = (
        f"The lip-sync result is {_format_rounded(result_duration)} long, which does not tell whether segments were "
        "re-timed "
        f"({_format_rounded(predicted.result_duration)} expected) or kept their length "
        f"({_format_rounded(source_duration)}): "
        f"areas are widened to cover both, and by another {_format_rounded(margin)}."
    )
    timelines = (predicted, identity, in_proportion)
    return TimelineChoice("ambiguous", timelines, margin, result_duration, explanation)


def _certain_choice(
    kind: TimelineKind, timelines: Sequence[Timeline], source_duration: float, result_duration: float
) -> TimelineChoice:
    reasons = {
        "retimed": "as the lengths of the audio clips predict: areas move with their segments",
        "unchanged": "as long as the source, so segments kept their length: areas keep their times",
        "equivalent": "as long as the source, and no segment moved: areas keep their times",
    }
    lengths = f"{_format_rounded(result_duration)} long (source {_format_rounded(source_duration)})"
    explanation = f"The lip-sync result is {lengths}, {reasons[kind]}."
    fitted = tuple(_extend_to(timeline, source_duration, result_duration) for timeline in timelines)
    return TimelineChoice(kind, fitted, 0.0, result_duration, explanation)


def _max_shift(predicted: Timeline) -> float:
    """The largest difference between the predicted and the unchanged timeline, in seconds."""
    ends = (
        max(abs(piece.result_start - piece.source_start), abs(piece.result_end - piece.source_end))
        for piece in predicted.pieces
    )
    return max(ends, default=0.0)


def _extend_to(timeline: Timeline, source_duration: float, result_duration: float) -> Timeline:
    """Extends it to the real length: the last frame fills the rest, so that no area ends before it."""
    pieces = timeline.pieces
    if timeline.result_duration < result_duration:
        pieces += (TimelinePiece(source_duration, source_duration, timeline.result_duration, result_duration),)
    return Timeline(pieces, result_duration)


def map_area(choice: TimelineChoice, start: float, end: float) -> list[Interval]:
    """When an area drawn on [start, end) of the source has to be erased in the result.

    Empty if that part of the source is not in the result (see `describe_area`). One interval as a rule; several where
    the picture is repeated.
    """
    found = [interval for timeline in choice.timelines for interval in map_interval(start, end, timeline)]
    if len(choice.timelines) == 1 or not found:
        return found
    first = min(interval[0] for interval in found) - choice.margin
    last = max(interval[1] for interval in found) + choice.margin
    return _merge_intervals([(first, last)], choice.result_duration)


def describe_area(choice: TimelineChoice, start: float, end: float) -> str:
    """One sentence for the log and the events: where an area was mapped to."""
    intervals = map_area(choice, start, end)
    if not intervals:
        span = f"{_format_rounded(start)} to {_format_rounded(end)} of the source"
        return f"{span} is not in the result: it was cut off, so nothing is erased there."
    spans = " and ".join(f"{_format_rounded(first)} to {_format_rounded(last)}" for first, last in intervals)
    return f"{_format_rounded(start)} to {_format_rounded(end)} of the source is {spans} of the result."


def _format_rounded(value: float) -> str:
    return format_seconds(round(value, 3))
