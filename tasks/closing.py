"""What becomes of a job whose run ends in an error (requirements M7)."""

from prefect.logging import get_run_logger

from tasks.run import JobRun
from tasks.steps import step
from videojobs.errors import JobParked, Retryable, VideoJobError
from videojobs.ledger import SubmissionState, VideoJob
from videojobs.media.store import ObjectStore, sync_result_key
from videojobs.states import Point, reached

_AT_STAKE = (SubmissionState.INTENDED, SubmissionState.UNKNOWN, SubmissionState.ACCEPTED, SubmissionState.DONE)


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
    paid = any(submission.state in _AT_STAKE for submission in await ledger.submissions(job.id))
    if isinstance(error, Retryable) and paid:
        await ledger.park(run.lease, f"retries are used up, and something is paid for: {error}")
        return
    message, fallback = failure(job, await run.connections.store(), str(error))
    get_run_logger().error("Job %s failed: %s", job.id, message)
    await ledger.fail(run.lease, message, fallback_url=fallback)


def failure(job: VideoJob, store: ObjectStore, error: str) -> tuple[str, str | None]:
    """The owner's words for the failure, and the lip-sync result as the fallback where there is one (M7)."""
    if not reached(job.point, Point.LIP_SYNC_STORED) or not job.request["effects"]:
        return error, None
    return f"Text inpainting failed: {error}", store.uri(sync_result_key(job.user_id, job.id))
