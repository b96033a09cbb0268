"""From the areas that were drawn on the source video to the masks that GhostCut gets for the lip-sync result."""

import math
from collections.abc import Sequence

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
)
from videojobs.providers.ghostcut.masks import ERASE_MODELS, MaskSpec
from videojobs.requests.models import AnnotationArea, JobRequest


def resolve_timeline(request: JobRequest, facts: JobFacts) -> TimelineChoice:
    """How times move from the source to the lip-sync result. Needs the facts of the inputs and of that result."""
    source = facts.source_video
    timed = segment_audio(sent_segments(request, facts), facts.audio_durations)
    predicted = predict_timeline(source.duration, timed, request.options.sync_mode)
    return choose_timeline(
        predicted,
        source.duration,
        facts.lip_sync_video.duration,
        length_tolerance(source.frame_rate, len(request.segments)),
    )


def build_masks(request: JobRequest, choice: TimelineChoice, frame_rate: float) -> list[MaskSpec]:
    """One mask for each time that an area is seen in the result; none if nothing is left that could be wiped.

    Times are carried to the frame: the last frame of an area is seen until the next one begins, and where segments
    were re-timed, a cut may fall one frame beside its place. A caption that is left for one frame flashes; a frame
    that is treated in vain goes unnoticed.
    """
    max_boxes = ERASE_MODELS[request.options.inpaint_model].max_boxes
    padding = 1 / frame_rate if choice.kind == "retimed" else 0.0
    masks: list[MaskSpec] = []
    for area in request.effects:
        intervals = map_area(choice, area.start, _ceil_to_frame(area.end, frame_rate))
        if max_boxes is not None and intervals:  # models that count their boxes get one for each area
            intervals = [(intervals[0][0], intervals[-1][1])]
        masks += [_mask_spec(area, max(0.0, start - padding), end + padding) for start, end in intervals]
    return masks if any(mask.kind != "protection" for mask in masks) else []


def _ceil_to_frame(seconds: float, frame_rate: float) -> float:
    return math.ceil(seconds * frame_rate - FLOAT_TOLERANCE) / frame_rate


def explain_timeline(request: JobRequest, choice: TimelineChoice) -> Sequence[str]:
    """What happened to the times, for the log and the events: the decision first, then a sentence for each area."""
    return [choice.explanation, *(describe_area(choice, area.start, area.end) for area in request.effects)]


def _mask_spec(area: AnnotationArea, start: float, end: float) -> MaskSpec:
    return MaskSpec(kind=area.kind, x=area.x, y=area.y, w=area.w, h=area.h, start=start, end=end)
