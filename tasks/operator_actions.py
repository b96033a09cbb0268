"""What an operator may decide about a job that cannot go on by itself. Each decision is recorded in its events.

adopt      the vendor has the submission whose answer was lost: here is its id
resubmit   write off what is in doubt or stuck at the vendor, and buy it again
retry      go on from the failed stage, or after what stood in the way is mended; what a vendor may have taken is looked
           for again, before anything is bought
give up    end it as failed, with what it has
"""

from typing import Literal

from prefect.logging import get_run_logger

from tasks.runtime.failures import failure_details
from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import job_task
from videojobs.db import IN_DOUBT_STATES, JobRepository, Submission, SubmissionState, VideoJob
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


@job_task("look whether it is decided already")
async def is_already_applied(run: JobRun) -> bool:
    """Whether an earlier attempt of this same run did it: a decision is carried out once, also when its run crashed."""
    repository = await run.connections.repository()
    return any(
        event.kind in ("reopened", "failed") and parse_flow_run_id(event.actor) == run.lease.flow_run_id
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
            FieldError("job_id", "this job is neither parked nor failed; a run with its job_id goes on with it")
        )
    if not job.request:
        problems.append(FieldError("job_id", "its request was refused; send a corrected one under a new job_id"))
    if job.kind is JobKind.LECTURE and decision in ("adopt", "resubmit"):
        problems.append(
            FieldError(
                "decision",
                "a lecture buys nothing from a vendor; decide `retry` (nothing that is stored is "
                "done again) or `give up`",
            )
        )
    elif decision == "adopt" and not vendor_id:
        problems.append(FieldError("vendor_id", "give the id that the vendor's dashboard shows for this job"))
    elif decision == "resubmit" and not accept_the_cost:
        problems.append(FieldError("accept_the_cost", "buying it again costs again; say yes to it, or decide `adopt`"))
    if problems:
        raise InvalidRequest(problems)


@job_task("adopt the vendor's id")
async def adopt(run: JobRun, vendor_id: str, unproven: bool, detail: Json) -> None:
    """Take what the vendor has as the submission whose answer was lost. Raises InvalidRequest where it is not ours.

    Where the job has this very id already, it is opened again, and its vendor asked once more.
    """
    repository = await run.connections.repository()
    submission = await _find_adoptable_submission(repository, run.job_id, vendor_id)
    if submission.vendor_id == vendor_id:
        await repository.reopen(run.lease, {**detail, "vendor_id": vendor_id})
        return
    provider = get_provider(submission.provider)
    async with run.connections.provider_client(provider) as client:
        record = await provider.read(client, vendor_id)
    if record is None:
        problem = f"{provider.display_name} knows no {vendor_id}; look it up again"
        raise InvalidRequest([FieldError("vendor_id", problem)])
    if provider.source_url(submission.request_body) not in record.source_urls and not unproven:
        raise InvalidRequest(
            [
                FieldError(
                    "vendor_id", f"the vendor's record of {vendor_id} does not name this job's file; look it up again"
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


@job_task("write off what was submitted")
async def resubmit(run: JobRun, detail: Json) -> None:
    """Let the stage that the job is at be bought again."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    if (submission := await repository.get_live_submission(job.id, _current_paid_stage(job))) is not None:
        await repository.write_off(run.lease, submission, detail)
    await repository.reopen(run.lease, detail)


@job_task("open the job again")
async def retry(run: JobRun, detail: Json) -> None:
    """Let the job go on from where it stands, or from before the stage that failed."""
    repository = await run.connections.repository()
    await repository.reopen(run.lease, detail)


@job_task("give the job up")
async def give_up(run: JobRun, detail: Json) -> None:
    """End the job as failed; what was bought stays on the books, and the lip-sync result is offered if there is one."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    message, fallback = failure_details(
        job, await run.connections.store(), f"an operator gave it up: {detail['reason']}"
    )
    await repository.record_event(run.lease, "given_up", detail)
    await repository.fail(run.lease, message, code=GIVEN_UP_CODE, fallback_url=fallback)
    get_run_logger().info("Job %s was given up", job.id)


async def _find_adoptable_submission(repository: JobRepository, job_id: str, vendor_id: str) -> Submission:
    """The submission that is in doubt, or the one that has this id."""
    for submission in await repository.list_submissions(job_id):
        is_same_vendor_id = submission.state == SubmissionState.ACCEPTED and submission.vendor_id == vendor_id
        if is_same_vendor_id or submission.state in IN_DOUBT_STATES:
            return submission
    raise InvalidRequest([FieldError("job_id", "none of its submissions is in doubt; decide `retry` or `resubmit`")])


def _current_paid_stage(job: VideoJob) -> Stage:
    """The paid stage that the job is in or comes to next."""
    before_text_removal = (RecoveryPoint.OPENED, RecoveryPoint.UPLOADED, RecoveryPoint.LIP_SYNC_SUBMITTED)
    is_first = job.recovery_point in before_text_removal
    return Stage.LIP_SYNC if is_first and job.has_lip_sync else Stage.TEXT_REMOVAL
