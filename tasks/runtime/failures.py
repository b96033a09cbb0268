"""Handles errors that end a job's run (requirements M7)."""

from contextlib import suppress
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import PrefectException
from prefect.logging import get_run_logger
from prefect.runtime import flow_run
from prefect.states import Crashed

from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import job_task
from tasks.runtime.operator_alerts import JOB_PARKED, emit_operator_event
from videojobs.db import JobEventKind, SubmissionState, VideoJob
from videojobs.errors import InvalidRequest, JobParked, RetryableError, VendorFailed, VideoJobError
from videojobs.states import Stage, point_before
from videojobs.storage.object_store import ObjectStore, lip_sync_result_key
from videojobs.transitions import has_reached

_OPEN_STATES = (SubmissionState.INTENDED, SubmissionState.UNKNOWN, SubmissionState.ACCEPTED)
_PAID_STATES = (*_OPEN_STATES, SubmissionState.DONE)


@job_task("record the failure")
async def record_failure(run: JobRun, error: Exception) -> None:
    """Fail the job, or park it if something was bought and the error is retryable or not the vendor's."""
    if isinstance(error, JobParked):
        return
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    if not isinstance(error, VideoJobError):
        # Prefect, the network, a bug: the job is not at fault. It stays as it is, to be resumed.
        await repository.record_event(run.lease, JobEventKind.INTERRUPTED, {"error": type(error).__name__})
        return
    states = {submission.state for submission in await repository.list_submissions(job.id)}
    if isinstance(error, RetryableError) and not states.isdisjoint(_PAID_STATES):
        await _park(run, f"retries are used up, and a submission is paid for: {error}", error.code)
        return
    if not isinstance(error, VendorFailed) and not states.isdisjoint(_OPEN_STATES):  # an error of ours does not end it
        await _park(
            run,
            f"a vendor may be processing a paid submission, and this prevents its result from being fetched: {error}",
            error.code,
        )
        return
    message, fallback = failure_details(job, await run.connections.store(), str(error))
    get_run_logger().error("Job %s failed: %s", job.id, message)
    problems = error.errors if isinstance(error, InvalidRequest) else ()
    await repository.fail(run.lease, message, code=error.code, problems=problems, fallback_url=fallback)


async def _park(run: JobRun, reason: str, code: str) -> None:
    await (await run.connections.repository()).park(run.lease, reason, code=code)
    emit_operator_event(JOB_PARKED, run.job_id, reason)


async def crash_orphaned_subflows() -> None:
    """End the subflows of this run's killed attempts, in case it ends before it reaches them."""
    run_id = flow_run.get_id()
    if not run_id or flow_run.get_run_count() < 2:
        return
    orphan_filter = FlowRunFilter(
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[UUID(run_id)]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])),
    )
    with suppress(PrefectException, httpx.HTTPError):  # only affects their own pages
        async with get_client() as client:
            for orphan in await client.read_flow_runs(flow_run_filter=orphan_filter):
                await client.set_flow_run_state(orphan.id, Crashed(message="Its process is gone."), force=True)


def failure_details(job: VideoJob, store: ObjectStore, error: str) -> tuple[str, str | None]:
    """The owner's message for the failure, and the lip-sync result as the fallback if there is one (M7)."""
    if not job.has_text_removal or not has_reached(job.recovery_point, point_before(Stage.TEXT_REMOVAL, job.stages)):
        return error, None
    fallback = store.uri(lip_sync_result_key(job.user_id, job.id)) if job.has_lip_sync else None
    return f"Text inpainting failed: {error}", fallback
