"""A run at work on a job: takes the lease, keeps it alive, lets it go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict

from blocks import Connections
from tasks.runtime.progress import progress_artifact
from videojobs.db import JobRepository, Lease, VideoJob
from videojobs.db.lease_renewal import lease_renewer_for
from videojobs.db.models import Json
from videojobs.db.repository_base import parse_flow_run_id
from videojobs.errors import CRASH_LOOP_CODE, DatabaseUnavailable, JobAlreadyFailed, JobParked, LeaseLost, VideoJobError
from videojobs.pipeline.recovery_policy import crash_loop_message
from videojobs.settings import TimingSettings
from videojobs.states import Status
from videojobs.storage.object_store import job_prefix


class JobRun(BaseModel):
    """What every task needs: which job, by what right, through which blocks."""

    model_config = ConfigDict(frozen=True)

    lease: Lease
    connections: Connections

    @property
    def job_id(self) -> str:
        return self.lease.job_id


@asynccontextmanager
async def claimed_job(job_id: str, connections: Connections) -> AsyncIterator[JobRun]:
    """Hold the job's lease to go on with the job. Raises LeaseLost when another run is at work on it."""
    async with job_lease(job_id, connections) as run, progress_artifact(await _load_runnable_job(run)):
        yield run


async def _load_runnable_job(run: JobRun) -> VideoJob:
    """The job, with what an earlier run left half-done tidied up. Raises JobParked or AlreadyFailed."""
    job = await _require_runnable(await run.connections.repository(), run.lease)
    if job.claims > 1:  # the run before this one did not end in order
        await _abort_stale_uploads(job, run.connections)
    return job


@asynccontextmanager
async def job_lease(job_id: str, connections: Connections) -> AsyncIterator[JobRun]:
    """Hold the job's lease for as long as the context lasts, whatever state it is in. Raises LeaseLost."""
    repository = await connections.repository()
    lease = Lease(job_id, f"{flow_run.get_id()}/{flow_run.get_run_count()}")
    await _acquire_lease(repository, lease)
    in_order = True
    try:
        with lease_renewer_for(repository, TimingSettings.current().lease_seconds).renewing(lease):
            yield JobRun(lease=lease, connections=connections)
    except VideoJobError:
        raise
    except Exception:
        in_order = False
        raise
    finally:
        with suppress(DatabaseUnavailable):  # it runs out by itself
            await repository.release_lease(lease, clean_exit=in_order)


async def _acquire_lease(repository: JobRepository, lease: Lease) -> None:
    """Take the lease, or step aside; an earlier attempt of this same run is waited for, since it may still be alive."""
    seconds = TimingSettings.current().lease_seconds
    while (holder := await repository.acquire_lease(lease, seconds)) is not None:
        if (other := parse_flow_run_id(holder)) != lease.flow_run_id:
            raise LeaseLost(f"flow run {other} is at work on job {lease.job_id}")
        get_run_logger().info("Waiting for the lease of an earlier attempt of this run to run out")
        await asyncio.sleep(seconds / 10)


async def _require_runnable(repository: JobRepository, lease: Lease) -> VideoJob:
    """The job, unless it waits for an operator or has failed."""
    job = await repository.get_job(lease.job_id)
    if job.claims > TimingSettings.current().recovery_attempts and job.parked_reason is None:
        job = await _park_crash_looping_job(repository, lease, job)
    if job.parked_reason is not None:
        raise JobParked(job.parked_reason)
    if job.status == Status.FAILED:
        raise JobAlreadyFailed(
            f"this job has failed before: {job.error_message}; "
            "decide what to do with the deployment `resolve-job`, or ask for it under a new job_id"
        )
    return job


async def _abort_stale_uploads(job: VideoJob, connections: Connections) -> None:
    """Drop the half-sent objects of a run that was killed. Nothing depends on it, so it may also fail."""
    store = await connections.store()
    try:
        aborted = await asyncio.to_thread(store.abort_multipart_uploads, job_prefix(job.user_id, job.id))
    except VideoJobError as error:
        get_run_logger().warning("Half-sent objects of an earlier run could not be dropped: %s", error)
        return
    if aborted:
        get_run_logger().info("Dropped %d half-sent objects of an earlier run", aborted)


async def _park_crash_looping_job(repository: JobRepository, lease: Lease, job: VideoJob) -> VideoJob:
    """A job that its runs do not survive is not run for ever: an operator gets it, with who tried and what was seen."""
    reason = crash_loop_message(job.claims - 1, job.recovery_point)
    return await repository.park(
        lease, reason, code=CRASH_LOOP_CODE, detail={"history": await run_history(repository, job)}
    )


async def run_history(repository: JobRepository, job: VideoJob) -> list[Json]:
    """Who took the job up since it last got on, and what was seen, as an event tells of it."""
    kinds = ("lease_acquired", "interrupted")
    return [
        {"at": event.at.isoformat(), "run": event.actor, "what": event.kind, **(event.detail or {})}
        for event in await repository.list_events(job.id)
        if event.kind in kinds
    ][-2 * job.claims :]
