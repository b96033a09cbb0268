"""The end of a job: the final video under its name, the completed row, and the artifacts for people."""

import asyncio
from dataclasses import dataclass

from prefect.artifacts import acreate_image_artifact, acreate_link_artifact
from prefect.logging import get_run_logger

from tasks.estimate_cost import publish_cost_artifact
from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import job_task
from tasks.runtime.progress_artifact import report_progress, slugify
from videojobs.db import VideoJob
from videojobs.media.comparison_image import render_comparison
from videojobs.media.executors import run_cpu_bound
from videojobs.pipeline.masks import resolve_timeline
from videojobs.pipeline.timeline import map_area
from videojobs.settings import TimingSettings
from videojobs.states import RecoveryPoint
from videojobs.storage.object_store import ObjectStore, comparison_image_key, lip_sync_result_key, result_key


@job_task("publish the result")
async def publish(run: JobRun) -> str:
    """Complete the job; returns the `s3://` address of the final video."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    store = await run.connections.store()
    key = result_key(job.user_id, job.id)
    if job.recovery_point is RecoveryPoint.LIP_SYNC_STORED:  # no areas: the lip-sync result is the final one
        await asyncio.to_thread(store.copy, lip_sync_result_key(job.user_id, job.id), key)
    job = await repository.complete(run.lease, store.uri(key))
    get_run_logger().info(
        "Job %s: Successfully completed with chained processing. Final result: %s", job.id, job.output_url
    )
    report_progress(job)
    return store.uri(key)


@job_task("link the results", retries=0)
async def publish_video_artifacts(run: JobRun) -> None:
    """A link to the final video, its cost and a before/after picture, as artifacts of the run."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    store = await run.connections.store()
    timings = TimingSettings.current()
    await acreate_link_artifact(
        key=f"result-{slugify(job.id)}",
        link=store.presign(result_key(job.user_id, job.id), timings.result_url_ttl_seconds),
        link_text="The final video",
        description=f"{job.progress_message}. The link works for {timings.result_url_ttl_days:g} days.",
    )
    await publish_cost_artifact(repository, job)
    times = _sample_times(job)
    picture = await run_cpu_bound(lambda: _comparison_image(store, job, times))
    key = comparison_image_key(job.user_id, job.id)
    await asyncio.to_thread(store.put_bytes, key, picture, "image/jpeg")
    await acreate_image_artifact(
        key=f"before-after-{slugify(job.id)}",
        image_url=store.presign(key, timings.result_url_ttl_seconds),
        description=f"Left: the source at {times.before:.2f} s. Right: the result at {times.after:.2f} s.",
    )


@dataclass(frozen=True, slots=True)
class _SampleTimes:
    """The same instant on both timelines, in seconds."""

    before: float
    after: float


def _sample_times(job: VideoJob) -> _SampleTimes:
    """The middle of the first area that is erased; without areas, of the first segment, else of the video."""
    request = job.video_request
    spans = [(area.start, area.end) for area in request.effects if area.kind != "protection"]
    spans += [(segment.startTime, segment.endTime) for segment in request.segments]
    start, end = (spans or [(0.0, job.facts.source_video.duration)])[0]
    mapped = map_area(resolve_timeline(request, job.facts), start, end)
    after = mapped[0] if mapped else (start, end)
    return _SampleTimes(before=(start + end) / 2, after=sum(after) / 2)


def _comparison_image(store: ObjectStore, job: VideoJob, times: _SampleTimes) -> bytes:
    owner, key = store.resolve_uri(job.facts.stored_inputs.video)
    return render_comparison(
        owner.open(key),
        store.open(result_key(job.user_id, job.id)),
        times.before,
        times.after,
        [(area.x, area.y, area.w, area.h) for area in job.video_request.effects],
    )
