"""A run that works on a job: acquires the lease, keeps it renewed, releases it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict

from blocks import Connections
from tasks.runtime.progress_artifact import progress_artifact
from videojobs.db import JobEventKind, JobRepository, Lease, VideoJob
from videojobs.db.lease_renewal import lease_renewer_for
from videojobs.db.models import Json
from videojobs.db.repository_base import parse_flow_run_id
from videojobs.errors import CRASH_LOOP_CODE, DatabaseUnavailable, JobAlreadyFailed, JobParked, LeaseLost, VideoJobError
from videojobs.pipeline.recovery_policy import crash_loop_message
from videojobs.settings import TimingSettings
from videojobs.states import Status
from videojobs.storage.object_store import job_prefix


class JobRun(BaseModel):
    """What every task needs: the job with its lease, and the blocks."""

    model_config = ConfigDict(frozen=True)

    lease: Lease
    connections: Connections

    @property
    def job_id(self) -> str:
        return self.lease.job_id


@asynccontextmanager
async def claim_job(job_id: str, connections: Connections) -> AsyncIterator[JobRun]:
    """Hold the job's lease to continue the job. Raises LeaseLost if another run holds it."""
    async with job_lease(job_id, connections) as run, progress_artifact(await _load_runnable_job(run)):
        yield run


async def _load_runnable_job(run: JobRun) -> VideoJob:
    """The job, after cleaning up what an earlier run left unfinished. Raises JobParked or JobAlreadyFailed."""
    job = await _require_runnable(await run.connections.repository(), run.lease)
    if job.claims > 1:  # the previous run did not exit cleanly
        await _abort_stale_uploads(job, run.connections)
    return job


@asynccontextmanager
async def job_lease(job_id: str, connections: Connections) -> AsyncIterator[JobRun]:
    """Hold the job's lease as long as the context lasts, whatever the job's state. Raises LeaseLost."""
    repository = await connections.repository()
    lease = Lease(job_id, f"{flow_run.get_id()}/{flow_run.get_run_count()}")
    await _acquire_lease(repository, lease)
    clean_exit = True
    try:
        with lease_renewer_for(repository, TimingSettings.current().lease_seconds).renewing(lease):
            yield JobRun(lease=lease, connections=connections)
    except VideoJobError:
        raise
    except Exception:
        clean_exit = False
        raise
    finally:
        with suppress(DatabaseUnavailable):  # it expires by itself
            await repository.release_lease(lease, clean_exit=clean_exit)


async def _acquire_lease(repository: JobRepository, lease: Lease) -> None:
    """Acquire the lease. Waits for an earlier attempt of this run, which may still be alive; else raises LeaseLost."""
    seconds = TimingSettings.current().lease_seconds
    while (holder := await repository.acquire_lease(lease, seconds)) is not None:
        if (other := parse_flow_run_id(holder)) != lease.flow_run_id:
            raise LeaseLost(f"flow run {other} is working on job {lease.job_id}")
        get_run_logger().info("Waiting for the lease of an earlier attempt of this run to expire")
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
            f"this job has failed: {job.error_message}; "
            "decide what to do with the deployment `resolve-job`, or send it under a new job_id"
        )
    return job


async def _abort_stale_uploads(job: VideoJob, connections: Connections) -> None:
    """Abort the unfinished uploads of a killed run. Nothing depends on it, so errors are only logged."""
    store = await connections.store()
    try:
        aborted = await asyncio.to_thread(store.abort_multipart_uploads, job_prefix(job.user_id, job.id))
    except VideoJobError as error:
        get_run_logger().warning("Cannot abort unfinished uploads of an earlier run: %s", error)
        return
    if aborted:
        get_run_logger().info("Aborted %d unfinished uploads of an earlier run", aborted)


async def _park_crash_looping_job(repository: JobRepository, lease: Lease, job: VideoJob) -> VideoJob:
    """Park a job whose runs keep crashing, with the history of its runs for the operator."""
    reason = crash_loop_message(job.claims - 1, job.recovery_point)
    return await repository.park(
        lease, reason, code=CRASH_LOOP_CODE, detail={"history": await run_history(repository, job)}
    )


async def run_history(repository: JobRepository, job: VideoJob) -> list[Json]:
    """The runs since the last progress, and their errors, as details of an event."""
    kinds = (JobEventKind.LEASE_ACQUIRED, JobEventKind.INTERRUPTED)
    return [
        {"at": event.at.isoformat(), "run": event.actor, "what": event.kind, **(event.detail or {})}
        for event in await repository.list_events(job.id)
        if event.kind in kinds
    ][-2 * job.claims :]
