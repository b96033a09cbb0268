"""What an operator may decide about a job that cannot go on by itself. Each decision is recorded in its events.

adopt      the vendor has the submission whose answer was lost: here is its id
resubmit   write off what is in doubt or stuck at the vendor, and buy it again
retry      go on from the failed stage, or after what stood in the way is mended; what a vendor may have taken is looked
           for again, before anything is bought
give up    end it as failed, with what it has
"""

from typing import Literal

from prefect.logging import get_run_logger

from tasks import lip_sync, text_removal
from tasks.closing import failure
from tasks.run import JobRun
from tasks.steps import step
from tasks.submission import Accepted
from videojobs.errors import InvalidRequest, Problem
from videojobs.ledger import IN_DOUBT, Ledger, Submission, SubmissionState, VideoJob
from videojobs.ledger.books import run_of
from videojobs.ledger.tables import Json
from videojobs.states import Point, Stage, Status, Work

Decision = Literal["adopt", "resubmit", "retry", "give up"]

_POINT_OF = {Stage.LIP_SYNC: Point.LIP_SYNC_SUBMITTED, Stage.TEXT_REMOVAL: Point.TEXT_REMOVAL_SUBMITTED}


@step("look whether it is decided already")
async def carried_out(run: JobRun) -> bool:
    """Whether an earlier attempt of this same run did it: a decision is carried out once, also when its run crashed."""
    ledger = await run.connections.ledger()
    return any(
        event.kind in ("reopened", "failed") and run_of(event.actor) == run.lease.run_id
        for event in await ledger.events(run.job_id)
    )


@step("check the decision")
async def check(run: JobRun, decision: Decision, vendor_id: str | None, accept_the_cost: bool) -> None:
    """Raises InvalidRequest with what is missing."""
    job = await (await run.connections.ledger()).job(run.job_id)
    problems = []
    if job.status == Status.COMPLETED:
        problems.append(Problem("job_id", "this job is completed; there is nothing to decide"))
    elif job.status != Status.FAILED and job.parked_reason is None and decision != "give up":
        problems.append(
            Problem("job_id", "this job is neither parked nor failed; a run with its job_id goes on with it")
        )
    if not job.request:
        problems.append(Problem("job_id", "its request was refused; send a corrected one under a new job_id"))
    if job.work is Work.LECTURE and decision in ("adopt", "resubmit"):
        problems.append(
            Problem(
                "decision",
                "a lecture buys nothing from a vendor; decide `retry` (nothing that is stored is "
                "done again) or `give up`",
            )
        )
    elif decision == "adopt" and not vendor_id:
        problems.append(Problem("vendor_id", "give the id that the vendor's dashboard shows for this job"))
    elif decision == "resubmit" and not accept_the_cost:
        problems.append(Problem("accept_the_cost", "buying it again costs again; say yes to it, or decide `adopt`"))
    if problems:
        raise InvalidRequest(problems)


@step("adopt the vendor's id")
async def adopt(run: JobRun, vendor_id: str, unproven: bool, why: Json) -> None:
    """Take what the vendor has as the submission whose answer was lost. Raises InvalidRequest where it is not ours.

    Where the job has this very id already, it is opened again, and its vendor asked once more.
    """
    ledger = await run.connections.ledger()
    submission = await _to_adopt(ledger, run.job_id, vendor_id)
    stage = Stage(submission.stage)
    if submission.vendor_id == vendor_id:
        await ledger.reopen(run.lease, {**why, "vendor_id": vendor_id})
        return
    found, sources = await (_generation if stage is Stage.LIP_SYNC else _work)(run, vendor_id)
    if _source(submission) not in sources and not unproven:
        raise InvalidRequest(
            [
                Problem(
                    "vendor_id", f"the vendor's record of {vendor_id} does not name this job's file; look it up again"
                )
            ]
        )
    await ledger.accept(
        run.lease,
        submission,
        _POINT_OF[stage],
        vendor_id=found.vendor_id,
        batch_id=found.batch_id,
        answer=found.answer,
        metadata=found.metadata,
        adopted={**why, "vendor_id": vendor_id, "unproven": unproven},
    )


@step("write off what was submitted")
async def resubmit(run: JobRun, why: Json) -> None:
    """Let the stage that the job is at be bought again."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    if (submission := await ledger.live_submission(job.id, _stage_of(job))) is not None:
        await ledger.write_off(run.lease, submission, why)
    await ledger.reopen(run.lease, why)


@step("open the job again")
async def retry(run: JobRun, why: Json) -> None:
    """Let the job go on from where it stands, or from before the stage that failed."""
    ledger = await run.connections.ledger()
    await ledger.reopen(run.lease, why)


@step("give the job up")
async def give_up(run: JobRun, why: Json) -> None:
    """End the job as failed; what was bought stays on the books, and the lip-sync result is offered if there is one."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    message, fallback = failure(job, await run.connections.store(), f"an operator gave it up: {why['reason']}")
    await ledger.record(run.lease, "given_up", why)
    await ledger.fail(run.lease, message, fallback_url=fallback)
    get_run_logger().info("Job %s was given up", job.id)


async def _to_adopt(ledger: Ledger, job_id: str, vendor_id: str) -> Submission:
    """The submission that is in doubt, or the one that has this id."""
    for submission in await ledger.submissions(job_id):
        known = submission.state == SubmissionState.ACCEPTED and submission.vendor_id == vendor_id
        if known or submission.state in IN_DOUBT:
            return submission
    raise InvalidRequest([Problem("job_id", "none of its submissions is in doubt; decide `retry` or `resubmit`")])


def _stage_of(job: VideoJob) -> Stage:
    """The paid stage that the job is in or comes to next."""
    before_text_removal = (Point.OPENED, Point.UPLOADED, Point.LIP_SYNC_SUBMITTED)
    return Stage.LIP_SYNC if job.point in before_text_removal else Stage.TEXT_REMOVAL


def _source(submission: Submission) -> str:
    """The link to our video that the submission gave the vendor."""
    if submission.stage == Stage.LIP_SYNC:
        return lip_sync.source_of(submission)
    return text_removal.source_of(submission)


async def _generation(run: JobRun, vendor_id: str) -> tuple[Accepted, set[str]]:
    """A generation as an acceptance, and the files that the vendor says it was made from."""
    async with run.connections.sync_so_client() as client:
        generation = await client.get(vendor_id)
    return lip_sync.taken(generation), lip_sync.inputs_of(generation)


async def _work(run: JobRun, vendor_id: str) -> tuple[Accepted, set[str]]:
    async with run.connections.ghostcut_client() as client:
        row = (await client.status([vendor_id])).get(vendor_id)
    if row is None:
        raise InvalidRequest([Problem("vendor_id", f"GhostCut knows no work {vendor_id}; look it up again")])
    return text_removal.taken(row.id, row.id_project), {row.url} if row.url else set()
