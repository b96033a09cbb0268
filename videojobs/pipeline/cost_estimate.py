"""The expected cost of a job, by the price lists of the providers that serve its stages."""

from collections.abc import Mapping
from typing import Any

from videojobs.pipeline.costs import CostEstimate
from videojobs.pipeline.segment_adjustment import audio_durations, fit_request_segments
from videojobs.pipeline.timeline import predict_timeline, segment_audio
from videojobs.providers.registry import provider_for_stage
from videojobs.requests.models import JobRequest
from videojobs.settings import LimitSettings
from videojobs.states import Stage


def load_or_estimate(
    request: Mapping[str, Any], facts: Mapping[str, Any], recorded: Mapping[str, Any] | None
) -> CostEstimate:
    """The recorded estimate of a job; for a job that is older than estimates, one by the price lists."""
    if recorded is not None:
        return CostEstimate.model_validate(recorded)
    return estimate_from_prices(JobRequest.model_validate(request), facts)


def estimate_from_prices(request: JobRequest, facts: Mapping[str, Any]) -> CostEstimate:
    """`facts`: the measured `video` and `audio` (by refId)."""
    stages = [Stage.LIP_SYNC, *([Stage.TEXT_REMOVAL] if request.effects else [])]
    seconds = max_result_seconds(request, facts)
    return CostEstimate({stage: provider_for_stage(stage).estimate(request, seconds) for stage in stages})


def max_result_seconds(request: JobRequest, facts: Mapping[str, Any]) -> float:
    """The longest duration that the lip-sync result may have: whether segments are re-timed is known only afterwards
    (`videojobs.pipeline.timeline`)."""
    source: float = facts["video"]["duration"]
    timed = segment_audio(fit_request_segments(request, facts, LimitSettings()).segments, audio_durations(facts))
    predicted = predict_timeline(source, timed, request.options.sync_mode)
    return round(max(source, predicted.result_duration), 3)
