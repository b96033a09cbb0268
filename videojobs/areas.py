"""From the areas that were drawn on the source video to the masks that GhostCut gets for the lip-sync result."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from videojobs.fitting import audio_lengths, sent_segments
from videojobs.request import AnnotationArea, JobRequest
from videojobs.timeline import (
    FLOAT_NOISE,
    Decision,
    carry_area,
    clips,
    decide,
    describe_area,
    predict,
    tolerance_for,
)
from videojobs.vendors.ghostcut.masks import ERASE_MODELS, MaskSpec


def decision_for(request: JobRequest, facts: Mapping[str, Any]) -> Decision:
    """How times move from the source to the lip-sync result, decided from what was measured on both.

    `facts`: `video` and `lip_sync` as VideoFacts, `audio` as AudioFacts by refId, and the segments that were sent, all
    JSON-plain.
    """
    source = facts["video"]
    timed = clips(sent_segments(request, facts), audio_lengths(facts))
    predicted = predict(source["duration"], timed, request.options.sync_mode)
    return decide(
        predicted,
        source["duration"],
        facts["lip_sync"]["duration"],
        tolerance_for(source["frame_rate"], len(request.segments)),
    )


def masks_for(request: JobRequest, decision: Decision, frame_rate: float) -> list[MaskSpec]:
    """One mask for each time that an area is seen in the result; none if nothing is left that could be wiped.

    Times are carried to the frame: the last frame of an area is seen until the next one begins, and where segments
    were re-timed, a cut may fall one frame beside its place. A caption that is left for one frame flashes; a frame
    that is treated in vain goes unnoticed.
    """
    boxes = ERASE_MODELS[request.options.inpaint_model].most_boxes
    slack = 1 / frame_rate if decision.kind == "changed" else 0.0
    masks: list[MaskSpec] = []
    for area in request.effects:
        intervals = carry_area(decision, area.start, _to_next_frame(area.end, frame_rate))
        if boxes is not None and intervals:  # models that count their boxes get one for each area
            intervals = [(intervals[0][0], intervals[-1][1])]
        masks += [_mask(area, max(0.0, start - slack), end + slack) for start, end in intervals]
    return masks if any(mask.kind != "protection" for mask in masks) else []


def _to_next_frame(seconds: float, frame_rate: float) -> float:
    return math.ceil(seconds * frame_rate - FLOAT_NOISE) / frame_rate


def explain(request: JobRequest, decision: Decision) -> Sequence[str]:
    """What happened to the times, for the log and the events: the decision first, then a sentence for each area."""
    return [decision.explanation, *(describe_area(decision, area.start, area.end) for area in request.effects)]


def _mask(area: AnnotationArea, start: float, end: float) -> MaskSpec:
    return MaskSpec(kind=area.kind, x=area.x, y=area.y, w=area.w, h=area.h, start=start, end=end)
