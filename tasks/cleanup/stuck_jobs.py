"""Diagnoses stuck jobs one by one, and applies the decided action.

An action holds the job's lease, and requires that the job has not changed since its diagnosis. So two concurrent
clean-ups do everything once, and a clean-up that dies leaves a job that the next one finds again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from prefect.runtime import flow_run

from blocks import Connections
from tasks.cleanup.vendor_status import job_connections, query_vendors
from tasks.runtime.failures import failure_details
from tasks.runtime.job_run import run_history
from tasks.runtime.job_task import job_task
from tasks.runtime.operator_alerts import JOB_PARKED, JOB_STUCK, emit_operator_event
from tasks.runtime.prefect_runs import resume_job, scheduled_runs_by_job
from videojobs.db import JobEventKind, JobRepository, Lease, SubmissionState
from videojobs.db.maintenance import JobSnapshot, PurgeFilter
from videojobs.errors import DatabaseUnavailable, VendorFailed
from videojobs.pipeline.recovery_policy import (
    NOT_QUERIED,
    RecoveryAction,
    RecoveryDecision,
    decide_recovery,
    submission_to_query,
)
from videojobs.providers.base import VendorState, VendorStatus
from videojobs.settings import TimingSettings
from videojobs.storage.object_store import job_prefix
from videojobs.testing.fault_injection import current_job_id

log = logging.getLogger(__name__)

# The next clean-up is the retry: it diagnoses again, instead of acting on an outdated decision.
NO_RETRIES: Final = 0

CHANGED_TEXT: Final = "nothing: it has changed since its diagnosis"
ACTION_TEXT: Final = {
    RecoveryAction.RESUME: "run started",
    RecoveryAction.COMPLETE: "run started",
    RecoveryAction.FAIL: "failed",
    RecoveryAction.PARK: "parked",
}


@dataclass(frozen=True, slots=True)
class StuckJob:
    """A stuck job, its vendor's status, and the decision."""

    snapshot: JobSnapshot
    vendor_status: VendorStatus
    decision: RecoveryDecision


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What was done about a job; `run_id` is the flow run that was started for it."""

    message: str
    run_id: UUID | None = None
    failed: bool = False


@job_task("find stuck jobs, query the vendors", retries=NO_RETRIES)
async def diagnose_stuck_jobs(connections: Connections, older_than: timedelta, limit: int) -> list[StuckJob]:
    """The jobs that have not changed for `older_than`, with a decision on each. Changes nothing."""
    found = await (await connections.repository()).find_stuck(older_than, limit)
    scheduled_runs = await scheduled_runs_by_job() if found else {}
    queries = [
        (snapshot.job, submission)
        for snapshot in found
        if (submission := submission_to_query(snapshot, scheduled_runs.get(snapshot.job.id))) is not None
    ]
    statuses = await query_vendors(queries, connections)
    return [_diagnose(snapshot, statuses.get(snapshot.job.id, NOT_QUERIED), scheduled_runs) for snapshot in found]


def _diagnose(snapshot: JobSnapshot, vendor_status: VendorStatus, scheduled_runs: dict[str, str]) -> StuckJob:
    try:
        decision = decide_recovery(snapshot, vendor_status, pending_run_id=scheduled_runs.get(snapshot.job.id))
    except Exception as error:  # a row that this version cannot read: the others must not wait for it
        log.exception("Job %s cannot be diagnosed", snapshot.job.id)
        decision = RecoveryDecision(
            RecoveryAction.LEAVE, f"it cannot be diagnosed ({type(error).__name__}: {error}); read the log"
        )
    return StuckJob(snapshot, vendor_status, decision)


@job_task("apply a recovery action", retries=NO_RETRIES)
async def apply_action(stuck_job: StuckJob, connections: Connections) -> ActionResult:
    """Apply the decision, unless the job has changed since."""
    job = stuck_job.snapshot.job
    current_job_id.set(job.id)
    repository = await connections.repository()
    async with _lease_if_unchanged(repository, stuck_job.snapshot) as lease:
        if lease is None:
            return ActionResult(CHANGED_TEXT)
        detail = {"verdict": stuck_job.decision.action.value, "reason": stuck_job.decision.reason}
        await repository.record_event(lease, JobEventKind.CLEANUP_ACTION, detail)
        if stuck_job.decision.action is RecoveryAction.FAIL:
            await _fail_job(repository, lease, stuck_job, connections)
        if stuck_job.decision.action is RecoveryAction.PARK:
            await repository.park(
                lease, stuck_job.decision.reason, detail={"history": await run_history(repository, job)}
            )
    emit_operator_event(
        JOB_PARKED if stuck_job.decision.action is RecoveryAction.PARK else JOB_STUCK, job.id, stuck_job.decision.reason
    )
    continues = stuck_job.decision.action in (RecoveryAction.RESUME, RecoveryAction.COMPLETE)
    return ActionResult(ACTION_TEXT[stuck_job.decision.action], await resume_job(job) if continues else None)


async def _fail_job(repository: JobRepository, lease: Lease, stuck_job: StuckJob, connections: Connections) -> None:
    """Record what the run that waited for the vendor would have recorded."""
    job, vendor_status = stuck_job.snapshot.job, stuck_job.vendor_status
    submission = submission_to_query(stuck_job.snapshot)
    if submission is not None and vendor_status.state is VendorState.FAILED:
        await repository.record_outcome(
            lease,
            submission,
            SubmissionState.FAILED,
            error=vendor_status.message,
            answer=vendor_status.response,
            paid_points=vendor_status.paid_points,
        )
    store = await job_connections(job, connections).store()
    message, fallback = failure_details(job, store, stuck_job.decision.reason)
    await repository.fail(lease, message, code=VendorFailed.code, fallback_url=fallback)


@asynccontextmanager
async def _lease_if_unchanged(repository: JobRepository, snapshot: JobSnapshot) -> AsyncIterator[Lease | None]:
    """The job's lease, as long as the context lasts; None if the job has changed or is leased."""
    lease = Lease(snapshot.job.id, f"{flow_run.get_id()}/{flow_run.get_run_count()}")
    if not await repository.acquire_if_unchanged(lease, TimingSettings.current().lease_seconds, snapshot):
        yield None
        return
    try:
        yield lease
    finally:
        with suppress(DatabaseUnavailable):  # it expires by itself
            await repository.release_lease(
                lease, clean_exit=False
            )  # acquiring it was not counted as a run, so releasing it is not either


# ---- old test jobs -----------------------------------------------------------------------------------------


@job_task("find old test jobs", retries=NO_RETRIES)
async def find_purgeable_jobs(connections: Connections, purge_filter: PurgeFilter, limit: int) -> Sequence[JobSnapshot]:
    """The jobs that may be purged. Changes nothing."""
    return await (await connections.repository()).find_purgeable(purge_filter, limit) if purge_filter.user_ids else []


@job_task("purge a test job", retries=NO_RETRIES)
async def purge_job(snapshot: JobSnapshot, purge_filter: PurgeFilter, connections: Connections) -> ActionResult:
    """The job's objects, then its row: a job that loses only its objects is found again."""
    job = snapshot.job
    current_job_id.set(job.id)
    repository = await connections.repository()
    store = await job_connections(job, connections).store()
    async with _lease_if_unchanged(repository, snapshot) as lease:
        if lease is None:
            return ActionResult(CHANGED_TEXT)
        deleted_count = await asyncio.to_thread(store.delete_prefix, job_prefix(job.user_id, job.id))
        if not await repository.purge(lease, purge_filter):
            return ActionResult(f"{deleted_count} objects deleted; the row stays, since it has changed")
    return ActionResult(f"{deleted_count} objects and the row deleted")
