"""A run at work on a job: takes the lease, keeps it alive, lets it go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from pydantic import BaseModel, ConfigDict

from blocks import Connections
from tasks.progress import progress_board
from videojobs.errors import AlreadyFailed, JobParked, LeaseLost, LedgerUnavailable, VideoJobError
from videojobs.ledger import Lease, Ledger, VideoJob
from videojobs.ledger.books import run_of
from videojobs.ledger.pulse import pulse_of
from videojobs.ledger.tables import Json
from videojobs.media.store import job_prefix
from videojobs.recovery import too_many_runs
from videojobs.settings import Timings
from videojobs.states import Status


class JobRun(BaseModel):
    """What every task needs: which job, by what right, through which blocks."""

    model_config = ConfigDict(frozen=True)

    lease: Lease
    connections: Connections

    @property
    def job_id(self) -> str:
        return self.lease.job_id


@asynccontextmanager
async def at_work(job_id: str, connections: Connections) -> AsyncIterator[JobRun]:
    """Hold the job's lease to go on with the job. Raises LeaseLost when another run is at work on it."""
    async with holding(job_id, connections) as run, progress_board(await _taken_up(run)):
        yield run


async def _taken_up(run: JobRun) -> VideoJob:
    """The job, with what an earlier run left half-done tidied up. Raises JobParked or AlreadyFailed."""
    job = await _admissible(await run.connections.ledger(), run.lease)
    if job.claims > 1:  # the run before this one did not end in order
        await _tidy_up(job, run.connections)
    return job


@asynccontextmanager
async def holding(job_id: str, connections: Connections) -> AsyncIterator[JobRun]:
    """Hold the job's lease for as long as the context lasts, whatever state it is in. Raises LeaseLost."""
    ledger = await connections.ledger()
    lease = Lease(job_id, f"{flow_run.get_id()}/{flow_run.get_run_count()}")
    await _claim(ledger, lease)
    in_order = True
    try:
        with pulse_of(ledger, Timings().lease_seconds).keeping(lease):
            yield JobRun(lease=lease, connections=connections)
    except VideoJobError:
        raise
    except Exception:
        in_order = False
        raise
    finally:
        with suppress(LedgerUnavailable):  # it runs out by itself
            await ledger.release(lease, in_order=in_order)


async def _claim(ledger: Ledger, lease: Lease) -> None:
    """Take the lease, or step aside; an earlier attempt of this same run is waited for, since it may still be alive."""
    seconds = Timings().lease_seconds
    while (holder := await ledger.claim(lease, seconds)) is not None:
        if (other := run_of(holder)) != lease.run_id:
            raise LeaseLost(f"flow run {other} is at work on job {lease.job_id}")
        get_run_logger().info("Waiting for the lease of an earlier attempt of this run to run out")
        await asyncio.sleep(seconds / 10)


async def _admissible(ledger: Ledger, lease: Lease) -> VideoJob:
    """The job, unless it waits for an operator or has failed."""
    job = await ledger.job(lease.job_id)
    if job.claims > Timings().recovery_attempts and job.parked_reason is None:
        job = await _park_after_too_many(ledger, lease, job)
    if job.parked_reason is not None:
        raise JobParked(job.parked_reason)
    if job.status == Status.FAILED:
        raise AlreadyFailed(
            f"this job has failed before: {job.error_message}; "
            "decide what to do with the deployment `decide`, or ask for it under a new job_id"
        )
    return job


async def _tidy_up(job: VideoJob, connections: Connections) -> None:
    """Drop the half-sent objects of a run that was killed. Nothing depends on it, so it may also fail."""
    store = await connections.store()
    try:
        dropped = await asyncio.to_thread(store.abort_unfinished, job_prefix(job.user_id, job.id))
    except VideoJobError as error:
        get_run_logger().warning("Half-sent objects of an earlier run could not be dropped: %s", error)
        return
    if dropped:
        get_run_logger().info("Dropped %d half-sent objects of an earlier run", dropped)


async def _park_after_too_many(ledger: Ledger, lease: Lease, job: VideoJob) -> VideoJob:
    """A job that its runs do not survive is not run for ever: an operator gets it, with who tried and what was seen."""
    reason = too_many_runs(job.claims - 1, job.point)
    return await ledger.park(lease, reason, detail={"history": await history(ledger, job)})


async def history(ledger: Ledger, job: VideoJob) -> list[Json]:
    """Who took the job up since it last got on, and what was seen, as an event tells of it."""
    told = ("claimed", "interrupted")
    return [
        {"at": event.at.isoformat(), "run": event.actor, "what": event.kind, **(event.detail or {})}
        for event in await ledger.events(job.id)
        if event.kind in told
    ][-2 * job.claims :]
