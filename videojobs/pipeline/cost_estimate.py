"""The expected cost of a job, by the price lists of the providers that serve its stages."""

from videojobs.db.models import VideoJob
from videojobs.pipeline.costs import CostEstimate
from videojobs.pipeline.facts import JobFacts
from videojobs.pipeline.segment_adjustment import fit_request_segments
from videojobs.pipeline.timeline import predict_timeline, segment_audio
from videojobs.providers.registry import provider_for_stage
from videojobs.requests.models import JobRequest
from videojobs.settings import LimitSettings


def cost_estimate_of(job: VideoJob) -> CostEstimate:
    """The recorded estimate; for a job that is older than estimates, one by the price lists."""
    if job.estimate is not None:
        return CostEstimate.model_validate(job.estimate)
    return estimate_from_prices(job.video_request, job.facts)


def estimate_from_prices(request: JobRequest, facts: JobFacts) -> CostEstimate:
    """Needs the facts of the inputs."""
    seconds = max_result_seconds(request, facts)
    return CostEstimate({stage: provider_for_stage(stage).estimate(request, seconds) for stage in request.stages})


def least_cost(request: JobRequest) -> CostEstimate:
    """The cost of the request for the shortest video that it fits: one that ends with its last segment or area."""
    ends = [*(segment.endTime for segment in request.segments), *(area.end for area in request.effects)]
    seconds = max(ends, default=0.0)
    return CostEstimate({stage: provider_for_stage(stage).estimate(request, seconds) for stage in request.stages})


def max_result_seconds(request: JobRequest, facts: JobFacts) -> float:
    """The longest duration that the result may have: whether segments are re-timed is known only after the lip-sync
    (`videojobs.pipeline.timeline`). Without lip-sync it is that of the source."""
    source = facts.source_video.duration
    fitted = fit_request_segments(request, facts, LimitSettings.current()).segments
    timed = segment_audio(fitted, facts.audio_durations, source)
    predicted = predict_timeline(source, timed, request.options.sync_mode)
    return round(max(source, predicted.result_duration), 3)
