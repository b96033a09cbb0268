"""What becomes of a job whose run ends in an error (requirements M7)."""

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

from tasks.announcing import PARKED, announce
from tasks.run import JobRun
from tasks.steps import step
from videojobs.errors import JobParked, Retryable, VendorFailed, VideoJobError
from videojobs.ledger import SubmissionState, VideoJob
from videojobs.media.store import ObjectStore, sync_result_key
from videojobs.states import Point, reached

_OPEN = (SubmissionState.INTENDED, SubmissionState.UNKNOWN, SubmissionState.ACCEPTED)
_PAID = (*_OPEN, SubmissionState.DONE)


@step("record the failure")
async def close_with_error(run: JobRun, error: Exception) -> None:
    """Fail the job with its reason, or park it where money is at stake and a retry might still bring it home."""
    if isinstance(error, JobParked):
        return
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    if not isinstance(error, VideoJobError):
        # Prefect, the network, a bug: nothing that speaks against the job. It stays where it is, to be gone on with.
        await ledger.record(run.lease, "interrupted", {"error": type(error).__name__})
        return
    states = {submission.state for submission in await ledger.submissions(job.id)}
    if isinstance(error, Retryable) and not states.isdisjoint(_PAID):
        await _park(run, f"retries are used up, and something is paid for: {error}")
        return
    if not isinstance(error, VendorFailed) and not states.isdisjoint(_OPEN):  # an error of ours is no verdict on it
        await _park(run, f"a vendor may be at work on what is paid for, and this stands in the way: {error}")
        return
    message, fallback = failure(job, await run.connections.store(), str(error))
    get_run_logger().error("Job %s failed: %s", job.id, message)
    await ledger.fail(run.lease, message, fallback_url=fallback)


async def _park(run: JobRun, reason: str) -> None:
    await (await run.connections.ledger()).park(run.lease, reason)
    announce(PARKED, run.job_id, reason)


async def end_lost_subflows() -> None:
    """Of the attempts of this run that were killed: where this one comes to an end before it goes on with them."""
    run_id = flow_run.get_id()
    if not run_id or flow_run.get_run_count() < 2:
        return
    ours = FlowRunFilter(
        parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[UUID(run_id)]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])),
    )
    with suppress(PrefectException, httpx.HTTPError):  # only their own page would say so
        async with get_client() as client:
            for lost in await client.read_flow_runs(flow_run_filter=ours):
                await client.set_flow_run_state(lost.id, Crashed(message="Its process is gone."), force=True)


def failure(job: VideoJob, store: ObjectStore, error: str) -> tuple[str, str | None]:
    """The owner's words for the failure, and the lip-sync result as the fallback where there is one (M7)."""
    if not reached(job.point, Point.LIP_SYNC_STORED) or not job.request["effects"]:
        return error, None
    return f"Text inpainting failed: {error}", store.uri(sync_result_key(job.user_id, job.id))
