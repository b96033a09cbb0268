"""The end of a job: the final video under its name, the row completed, and the results where people look."""

import asyncio
from dataclasses import dataclass

from prefect.artifacts import acreate_image_artifact, acreate_link_artifact
from prefect.logging import get_run_logger

from tasks.costs import show_cost
from tasks.progress import show, slug
from tasks.run import JobRun
from tasks.steps import step
from videojobs.areas import decision_for
from videojobs.ledger import VideoJob
from videojobs.media.pictures import before_after
from videojobs.media.store import ObjectStore, picture_key, result_key, sync_result_key
from videojobs.media.workbench import at_the_bench
from videojobs.request import JobRequest
from videojobs.settings import Timings
from videojobs.states import Point
from videojobs.timeline import carry_area


@step("publish the result")
async def publish(run: JobRun) -> str:
    """Complete the job; gives the `s3://` address of the final video."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    store = await run.connections.store()
    key = result_key(job.user_id, job.id)
    if job.point is Point.LIP_SYNC_STORED:  # no areas: the lip-sync result is the final one
        await asyncio.to_thread(store.copy, sync_result_key(job.user_id, job.id), key)
    job = await ledger.finish(run.lease, store.uri(key))
    get_run_logger().info(
        "Job %s: Successfully completed with chained processing. Final result: %s", job.id, job.output_url
    )
    show(job)
    return store.uri(key)


@step("show the results", retries=0)
async def show_results(run: JobRun) -> None:
    """A link to the final video, its cost and a before/after picture, as artifacts of the run."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    store = await run.connections.store()
    seconds = int(Timings().result_link_days * 86_400)
    await acreate_link_artifact(
        key=f"result-{slug(job.id)}",
        link=store.presign(result_key(job.user_id, job.id), seconds),
        link_text="The final video",
        description=f"{job.progress_message}. The link works for {Timings().result_link_days:g} days.",
    )
    await show_cost(ledger, job)
    moment = _moment(job)
    picture = await at_the_bench(lambda: _picture(store, job, moment))
    key = picture_key(job.user_id, job.id)
    await asyncio.to_thread(store.put_bytes, key, picture, "image/jpeg")
    await acreate_image_artifact(
        key=f"before-after-{slug(job.id)}",
        image_url=store.presign(key, seconds),
        description=f"Left: the source at {moment.before:.2f} s. Right: the result at {moment.after:.2f} s.",
    )


@dataclass(frozen=True, slots=True)
class _Moment:
    """The same instant on both timelines, in seconds."""

    before: float
    after: float


def _moment(job: VideoJob) -> _Moment:
    """The middle of the first area that is wiped; without areas, of the first segment."""
    request = JobRequest.model_validate(job.request)
    spans = [(area.start, area.end) for area in request.effects if area.kind != "protection"]
    start, end = (spans or [(request.segments[0].startTime, request.segments[0].endTime)])[0]
    carried = carry_area(decision_for(request, job.facts), start, end)
    after = carried[0] if carried else (start, end)
    return _Moment(before=(start + end) / 2, after=sum(after) / 2)


def _picture(store: ObjectStore, job: VideoJob, moment: _Moment) -> bytes:
    request = JobRequest.model_validate(job.request)
    owner, key = store.located(job.facts["inputs"]["video"])
    return before_after(
        owner.open(key),
        store.open(result_key(job.user_id, job.id)),
        moment.before,
        moment.after,
        [(area.x, area.y, area.w, area.h) for area in request.effects],
    )
