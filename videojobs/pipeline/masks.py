"""Maps areas drawn on the source video to masks for the video that text removal gets.

That is the lip-sync result; without lip-sync it is the source itself, and nothing moves.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from videojobs.media.facts import VideoFacts
from videojobs.pipeline.facts import JobFacts
from videojobs.pipeline.segment_adjustment import sent_segments
from videojobs.pipeline.timeline import (
    FLOAT_TOLERANCE,
    TimelineChoice,
    choose_timeline,
    describe_area,
    length_tolerance,
    map_area,
    predict_timeline,
    segment_audio,
    source_timeline,
)
from videojobs.requests.models import AnnotationArea, AreaKind, JobRequest
from videojobs.states import Stage


@dataclass(frozen=True, slots=True)
class MaskSpec:
    """A rectangle of the picture in a time range of the video that text removal gets.

    `x`, `y` (top left), `w`, `h` are fractions of the picture, `start` and `end` absolute seconds.
    """

    kind: AreaKind
    x: float
    y: float
    w: float
    h: float
    start: float
    end: float


def text_removal_source(request: JobRequest, facts: JobFacts) -> VideoFacts:
    """The facts of the video that text removal gets."""
    return facts.lip_sync_video if Stage.LIP_SYNC in request.stages else facts.source_video


def resolve_timeline(request: JobRequest, facts: JobFacts) -> TimelineChoice:
    """How times move from the source to the lip-sync result. Needs the facts of the inputs and of that result."""
    source = facts.source_video
    if Stage.LIP_SYNC not in request.stages:
        return source_timeline(source.duration)
    timed = segment_audio(sent_segments(request, facts), facts.audio_durations, source.duration)
    predicted = predict_timeline(source.duration, timed, request.options.sync_mode)
    return choose_timeline(
        predicted,
        source.duration,
        facts.lip_sync_video.duration,
        length_tolerance(source.frame_rate, len(timed)),
    )


def build_masks(
    request: JobRequest, choice: TimelineChoice, frame_rate: float, *, one_per_area: bool = False
) -> list[MaskSpec]:
    """One mask per interval in which an area is visible in the result; none if areas have nothing to erase in it.

    `one_per_area`: instead one mask from its first to its last time, for models that limit the number of boxes.

    Times are rounded out to frames: the last frame of an area is visible until the next one begins, and in re-timed
    segments a cut may be off by one frame. A caption that remains for one frame flashes; an extra erased frame is not
    noticed.
    """
    padding = 1 / frame_rate if choice.kind == "retimed" else 0.0
    masks: list[MaskSpec] = []
    for area in request.effects:
        intervals = map_area(choice, area.start, _ceil_to_frame(area.end, frame_rate))
        if one_per_area and intervals:
            intervals = [(intervals[0][0], intervals[-1][1])]
        masks += [_mask_spec(area, max(0.0, start - padding), end + padding) for start, end in intervals]
    return masks if request.removes_whole_frame or any(mask.kind != "protection" for mask in masks) else []


def _ceil_to_frame(seconds: float, frame_rate: float) -> float:
    return math.ceil(seconds * frame_rate - FLOAT_TOLERANCE) / frame_rate


def explain_timeline(request: JobRequest, choice: TimelineChoice) -> Sequence[str]:
    """How times were mapped, for the log and the events: the choice first, then one sentence per area."""
    whole_frame = ["Text is removed from the whole frame."] if request.removes_whole_frame else []
    areas = [describe_area(choice, area.start, area.end) for area in request.effects]
    return [choice.explanation, *whole_frame, *areas]


def _mask_spec(area: AnnotationArea, start: float, end: float) -> MaskSpec:
    return MaskSpec(kind=area.kind, x=area.x, y=area.y, w=area.w, h=area.h, start=start, end=end)
