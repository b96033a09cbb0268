"""An operator's decisions about a parked or failed job. Each decision is recorded in its events.

adopt      the vendor has the submission whose response was lost: record its id
resubmit   write off a submission with an unknown outcome or stuck at the vendor, and buy it again
retry      continue from the failed stage, or once the cause is fixed; a submission that the vendor may have accepted is
           looked up again before anything is bought
give up    end the job as failed, with its stored results
"""

from typing import Literal

from prefect.logging import get_run_logger

from tasks.runtime.failures import failure_details
from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import job_task
from videojobs.db import IN_DOUBT_STATES, JobEventKind, JobRepository, Submission, SubmissionState, VideoJob
from videojobs.db.models import Json
from videojobs.db.repository_base import parse_flow_run_id
from videojobs.errors import GIVEN_UP_CODE, FieldError, InvalidRequest
from videojobs.providers.registry import get_provider
from videojobs.states import JobKind, RecoveryPoint, Stage, Status

OperatorAction = Literal["adopt", "resubmit", "retry", "give up"]

_SUBMITTED_POINTS = {
    Stage.LIP_SYNC: RecoveryPoint.LIP_SYNC_SUBMITTED,
    Stage.TEXT_REMOVAL: RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
}


@job_task("check whether the decision is applied already")
async def is_already_applied(run: JobRun) -> bool:
    """Whether an earlier attempt of this run applied it: a decision is applied once, also if its run crashed."""
    repository = await run.connections.repository()
    return any(
        event.kind in (JobEventKind.REOPENED, JobEventKind.FAILED)
        and parse_flow_run_id(event.actor) == run.lease.flow_run_id
        for event in await repository.list_events(run.job_id)
    )


@job_task("check the decision")
async def validate_action(run: JobRun, decision: OperatorAction, vendor_id: str | None, accept_the_cost: bool) -> None:
    """Raises InvalidRequest with what is missing."""
    job = await (await run.connections.repository()).get_job(run.job_id)
    problems = []
    if job.status == Status.COMPLETED:
        problems.append(FieldError("job_id", "this job is completed; there is nothing to decide"))
    elif job.status != Status.FAILED and job.parked_reason is None and decision != "give up":
        problems.append(
            FieldError("job_id", "this job is neither parked nor failed; start a run with its job_id to continue it")
        )
    if not job.request:
        problems.append(FieldError("job_id", "its request was rejected; send a corrected one under a new job_id"))
    if job.kind is JobKind.LECTURE and decision in ("adopt", "resubmit"):
        problems.append(
            FieldError(
                "decision",
                "a lecture buys nothing from a vendor; decide `retry`, which keeps stored results, or `give up`",
            )
        )
    elif decision == "adopt" and not vendor_id:
        problems.append(FieldError("vendor_id", "give the id that the vendor's dashboard shows for this job"))
    elif decision == "resubmit" and not accept_the_cost:
        problems.append(
            FieldError("accept_the_cost", "buying it again costs again; set it to confirm that, or decide `adopt`")
        )
    if problems:
        raise InvalidRequest(problems)


@job_task("adopt the vendor's id")
async def adopt(run: JobRun, vendor_id: str, unproven: bool, detail: Json) -> None:
    """Record a vendor's id for the submission whose response was lost. Raises InvalidRequest if it is not ours.

    If the job has this id already, the job is reopened, and its vendor queried again.
    """
    repository = await run.connections.repository()
    submission = await _find_adoptable_submission(repository, run.job_id, vendor_id)
    if submission.vendor_id == vendor_id:
        await repository.reopen(run.lease, {**detail, "vendor_id": vendor_id})
        return
    provider = get_provider(submission.provider)
    async with run.connections.provider_client(provider) as client:
        record = await provider.read_record(client, vendor_id)
    if record is None:
        problem = f"{provider.display_name} does not know {vendor_id}; look up the id in its dashboard"
        raise InvalidRequest([FieldError("vendor_id", problem)])
    if provider.source_url(submission.request_body) not in record.source_urls and not unproven:
        raise InvalidRequest(
            [
                FieldError(
                    "vendor_id",
                    f"the vendor's record of {vendor_id} does not contain this job's file; look up the "
                    "id in its dashboard",
                )
            ]
        )
    await repository.record_accepted(
        run.lease,
        submission,
        _SUBMITTED_POINTS[submission.stage],
        vendor_id=record.accepted.vendor_id,
        batch_id=record.accepted.batch_id,
        answer=record.accepted.answer,
        metadata=record.accepted.metadata,
        job_columns=record.accepted.job_columns,
        adoption={**detail, "vendor_id": vendor_id, "unproven": unproven},
    )


@job_task("write off the submission")
async def resubmit(run: JobRun, detail: Json) -> None:
    """Make the current stage purchasable again."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    if (submission := await repository.get_live_submission(job.id, _current_paid_stage(job))) is not None:
        await repository.write_off(run.lease, submission, detail)
    await repository.reopen(run.lease, detail)


@job_task("reopen the job")
async def retry(run: JobRun, detail: Json) -> None:
    """Let the job continue from its recovery point, or from before the failed stage."""
    repository = await run.connections.repository()
    await repository.reopen(run.lease, detail)


@job_task("give up the job")
async def give_up(run: JobRun, detail: Json) -> None:
    """End the job as failed. What was bought still counts as spent; the lip-sync result is offered if there is one."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    message, fallback = failure_details(
        job, await run.connections.store(), f"given up by an operator: {detail['reason']}"
    )
    await repository.record_event(run.lease, JobEventKind.GIVEN_UP, detail)
    await repository.fail(run.lease, message, code=GIVEN_UP_CODE, fallback_url=fallback)
    get_run_logger().info("Job %s was given up", job.id)


async def _find_adoptable_submission(repository: JobRepository, job_id: str, vendor_id: str) -> Submission:
    """The submission with an unknown outcome, or the one with this id."""
    for submission in await repository.list_submissions(job_id):
        is_same_vendor_id = submission.state == SubmissionState.ACCEPTED and submission.vendor_id == vendor_id
        if is_same_vendor_id or submission.state in IN_DOUBT_STATES:
            return submission
    raise InvalidRequest(
        [FieldError("job_id", "none of its submissions has an unknown outcome; decide `retry` or `resubmit`")]
    )


def _current_paid_stage(job: VideoJob) -> Stage:
    """The job's current or next paid stage."""
    before_text_removal = (RecoveryPoint.OPENED, RecoveryPoint.UPLOADED, RecoveryPoint.LIP_SYNC_SUBMITTED)
    is_first = job.recovery_point in before_text_removal
    return Stage.LIP_SYNC if is_first and job.has_lip_sync else Stage.TEXT_REMOVAL
