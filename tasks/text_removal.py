"""GhostCut: submit the areas once, wait for the work, bring its result home."""

import json
import logging
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import Final
from urllib.parse import unquote, urlsplit

from prefect.logging import get_run_logger

from tasks.callbacks import callback_url
from tasks.progress import show
from tasks.results import bring_home
from tasks.run import JobRun
from tasks.slots import GHOSTCUT_SUBMITS, turn
from tasks.steps import polling_step, step
from tasks.submission import TAKEN, Accepted, Finding, NoProof, NotTaken, PaidCall, buy, not_settled
from tasks.waiting import Polling, Reports, accepted_submission, no_verdict
from tasks.watching import WorkPauses, keep, kept, works
from videojobs.areas import decision_for, explain, masks_for
from videojobs.costs import expected
from videojobs.errors import InvalidRequest, JobParked, NotShown, VendorFailed, VendorRefused, VendorUnavailable
from videojobs.ledger import Ledger, Submission, SubmissionState, VideoJob
from videojobs.ledger.tables import Json
from videojobs.media.probe import VideoFacts
from videojobs.media.store import ObjectStore, result_key, sync_result_key
from videojobs.recovery import Says, Truth
from videojobs.request import JobRequest
from videojobs.rules import check_result
from videojobs.settings import Limits, Timings
from videojobs.states import RULES, TEXT_REMOVAL_STARTING, Point, Stage, progress_within, reached
from videojobs.vendors.ghostcut.client import GhostCutClient
from videojobs.vendors.ghostcut.wire import MaskSpec, Resolution, WorkStatus, work_request
from videojobs.vendors.watch import Watch

# Around the intent, in which a lost work is looked for. The times of works are on the vendor's clock, and whether it
# mistakes a time zone is not documented: a day covers any. Our link tells which work it is, the window only bounds the
# list, so its price is some pages of other works.
CLOCKS_DIFFER: Final = timedelta(days=1)
# The smallest plan keeps works for 7 days (GhostCut 14). Whether older ones are listed is not documented.
LISTED_FOR: Final = timedelta(days=7) - CLOCKS_DIFFER


@step("look for text to remove")
async def has_text_to_remove(run: JobRun) -> bool:
    """Whether the job goes on to text removal: it has areas, and something of them is left in the lip-sync result."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    request = JobRequest.model_validate(job.request)
    return bool(request.effects) and bool(
        masks_for(request, decision_for(request, job.facts), job.facts["video"]["frame_rate"])
    )


@step("submit the text removal")
async def submit_text_removal(run: JobRun) -> None:
    """One paid work for this job, however often this runs."""
    logger = get_run_logger()
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    if reached(job.point, Point.TEXT_REMOVAL_SUBMITTED):
        return
    logger.info("Found %d annotation areas. Starting GhostCut text inpainting...", len(job.request["effects"]))
    request = JobRequest.model_validate(job.request)
    if problems := check_result(VideoFacts(**job.facts["lip_sync"]), Limits()):
        raise InvalidRequest(problems)
    decision = decision_for(request, job.facts)
    story = explain(request, decision)
    for sentence in story:
        logger.log(logging.WARNING if decision.kind == "uncertain" else logging.INFO, "Job %s: %s", job.id, sentence)
    show(await ledger.tell(run.lease, *TEXT_REMOVAL_STARTING, detail={"timeline": story}))
    store = await run.connections.store()
    masks = masks_for(request, decision, job.facts["video"]["frame_rate"])
    call = PaidCall(
        vendor="GhostCut",
        stage=Stage.TEXT_REMOVAL,
        to=Point.TEXT_REMOVAL_SUBMITTED,
        body=lambda submission: _body(job, request, store, masks, submission),
        send=lambda submission: _send(run, submission),
        replay_within=timedelta(0),  # no key: two submits are two paid works
        cost=expected(job.request, job.facts, job.estimate)[Stage.TEXT_REMOVAL],
        find=lambda submission: find_work(run, submission),
        same_bytes_for=timedelta(hours=Timings().media_link_hours / 2),  # the other half is for the vendor's queue
    )
    await turn(GHOSTCUT_SUBMITS)
    await buy(run, call)
    job = await ledger.job(run.job_id)
    logger.info("GhostCut task created: %s", job.job_metadata["ghostcut_task_id"])
    show(job)


def _body(
    job: VideoJob, request: JobRequest, store: ObjectStore, masks: list[MaskSpec], submission: Submission
) -> bytes:
    return work_request(
        url=store.presign(sync_result_key(job.user_id, job.id), int(Timings().media_link_hours * 3600)),
        name=job.id,
        masks=masks,
        model=request.options.inpaint_model,
        language=request.options.inpaint_language,
        resolution=_resolution(job.facts["lip_sync"]["height"]),
        callback=callback_url("ghostcut", submission),
    )


def _resolution(height: int) -> Resolution:
    """The vendor's ceiling that leaves the picture its size: it scales down, never up."""
    if height <= 480:
        return "480p"
    return "720p" if height <= 720 else "1080p"


async def _send(run: JobRun, submission: Submission) -> Accepted:
    async with run.connections.ghostcut_client() as client:
        work = await client.submit(submission.request_body)
    return taken(work.id, work.project_id)


def taken(work_id: str, project_id: str | None) -> Accepted:
    """What the books say of a work that is ours."""
    return Accepted(
        vendor_id=work_id,
        batch_id=project_id,
        answer={"id": work_id, "idProject": project_id},
        metadata={"ghostcut_task_id": work_id, "ghostcut_project_id": project_id},
    )


async def find_work(run: JobRun, submission: Submission) -> Finding:
    """The work whose answer was lost: named by its callback or its project, or found in the account's list by our link.

    Missing from the list proves something only when the submission has had time to arrive and to be listed. Raises
    StillInDoubt until then, and Retryable where GhostCut cannot be asked.
    """
    ledger = await run.connections.ledger()
    try:
        async with run.connections.ghostcut_client() as client:
            if ours := _made_from(source_of(submission), await _named(client, submission)):
                return ours
            return await _listed(ledger, client, submission)
    except VendorRefused as refusal:  # nothing that a later try could change
        return NoProof(f"GhostCut does not say: {refusal}")


def _made_from(source: str, rows: list[WorkStatus]) -> Accepted | None:
    ours = next((row for row in rows if row.url == source), None)
    return taken(ours.id, ours.id_project) if ours else None


async def _named(client: GhostCutClient, submission: Submission) -> list[WorkStatus]:
    """What the vendor shows of the work that the callback named, and of the project that the answer did.

    A refusal tells nothing: it may be the vendor's way to say that it knows no such id, or, of a project, that it knows
    no such question, which it does not document.
    """
    rows: list[WorkStatus] = []
    if submission.candidate_id:
        with suppress(VendorRefused):
            rows += (await client.status([submission.candidate_id])).values()
    if submission.vendor_batch_id:
        with suppress(VendorRefused):
            rows += await client.works_of(submission.vendor_batch_id)
    return rows


async def _listed(ledger: Ledger, client: GhostCutClient, submission: Submission) -> Finding:
    """What the list of all works says, read in full."""
    source = source_of(submission)
    since, until = submission.intended_at - CLOCKS_DIFFER, submission.intended_at + CLOCKS_DIFFER
    waited = await ledger.waited_for(submission)  # before the list is read, so that all of it is as old
    await turn(GHOSTCUT_SUBMITS)
    rows: list[WorkStatus] = []
    async for page in client.works_between(since, until):
        if ours := _made_from(source, page):  # which needs no list that is whole
            return ours
        rows += page
    known = {row.vendor_id for row in await ledger.submissions(submission.job_id)}
    if perhaps := [row.id for row in rows if row.id not in known and _may_be_of(source, row)]:
        return NoProof(
            f"GhostCut lists works that may be it ({', '.join(perhaps[:5])}), without the link that it was sent"
        )
    return await _absence(ledger, client, submission, waited, rows)


async def _absence(
    ledger: Ledger, client: GhostCutClient, submission: Submission, waited: timedelta, rows: list[WorkStatus]
) -> NotTaken | NoProof:
    """What it proves that the list does not show the work. Raises StillInDoubt."""
    settling = timedelta(seconds=Timings().ghostcut_settling_seconds)
    if waited > LISTED_FOR:
        return NoProof(f"it was sent {waited.days} days ago, and GhostCut may list it no more")
    if waited < settling:
        raise not_settled(waited, settling)
    if submission.vendor_answer == TAKEN or submission.candidate_id or submission.vendor_batch_id:
        return NoProof("GhostCut has said that it took it, and lists nothing that was made from our link")
    if not await _shows_others(ledger, client, submission, settling, rows):
        return NoProof("GhostCut lists none of the works that it has surely taken: of another account, or not at all")
    return NotTaken({"works_seen": len(rows), "seconds_after_intent": round(waited.total_seconds())})


async def _shows_others(
    ledger: Ledger, client: GhostCutClient, submission: Submission, settling: timedelta, rows: list[WorkStatus]
) -> bool:
    """Whether lists show what they must: works that are surely taken; older ones, where those days have no other."""
    others = await ledger.taken_around(submission, CLOCKS_DIFFER, settling)
    if not others and (others := await ledger.taken_around(submission, LISTED_FOR, settling)):
        since, until = submission.intended_at - LISTED_FOR - CLOCKS_DIFFER, submission.intended_at + CLOCKS_DIFFER
        rows = [row async for page in client.works_between(since, until) for row in page]
    return not others or not others.isdisjoint(row.id for row in rows)


def _may_be_of(source: str, row: WorkStatus) -> bool:
    """Whether a work may have been made from this link though it does not show it: it shows none, or a changed one."""
    return not row.url or unquote(urlsplit(source).path) in unquote(row.url)


def source_of(submission: Submission) -> str:
    """The link that the vendor was given: signed for this job and this moment, so no other work has the same."""
    url: str = json.loads(submission.request_body)["urls"][0]
    return url


@polling_step("wait for the text removal")
async def await_text_removal(run: JobRun) -> None:
    """Wait for the work's callback, and ask beside that, together with all other jobs. Raises VendorFailed."""
    ledger = await run.connections.ledger()
    if reached((await ledger.job(run.job_id)).point, Point.TEXT_REMOVAL_STORED):
        return
    submission = await accepted_submission(ledger, run, Stage.TEXT_REMOVAL)
    watch, work_id = works(run.connections), str(submission.vendor_id)
    with ExitStack() as waiting:
        waiting.callback(watch.forget, work_id)
        waiting.enter_context(ledger.bell.heard_by(run.job_id, lambda: watch.hurry(work_id)))
        polling, pauses, reports = Polling(ledger, run, submission), WorkPauses(), Reports()
        waiting.enter_context(polling.heard())
        async for _ in polling.rounds():
            status = await polling.ask(_status(watch, work_id, pauses.next(woken=ledger.bell.is_listening)))
            if status is None:
                continue
            if status.is_done:
                keep(work_id, status)
                return
            if status.is_failed:
                await _failed(ledger, run, submission, status)
            await polling.park_if_overdue()
            if reports.is_due(status.progress):
                await _report(ledger, run, status)


async def _report(ledger: Ledger, run: JobRun, status: WorkStatus) -> None:
    percent = progress_within(Point.TEXT_REMOVAL_SUBMITTED, status.progress / 100)
    get_run_logger().info("Job %s: GhostCut still processing (%d%%)", run.job_id, status.progress)
    show(await ledger.tell(run.lease, percent, RULES[Point.TEXT_REMOVAL_SUBMITTED].message))


async def _status(watch: Watch[WorkStatus], work_id: str, within: float) -> WorkStatus:
    return _shown(await watch.news(work_id, within), work_id)


def _shown(status: WorkStatus | None, work_id: str) -> WorkStatus:
    if status is None:
        raise NotShown(f"GhostCut does not show work {work_id}")
    return status


async def _failed(ledger: Ledger, run: JobRun, submission: Submission, status: WorkStatus) -> None:
    truth = truth_of(status)
    if truth.says is Says.LOCKED:  # paid for and finished: another submission would be paid twice
        await ledger.park(run.lease, truth.text)
        raise JobParked(truth.text)
    await ledger.settle(
        run.lease,
        submission,
        SubmissionState.FAILED,
        error=truth.text,
        answer=truth.answer,
        paid_points=truth.paid_points,
    )
    raise VendorFailed(truth.text)


def truth_of(status: WorkStatus) -> Truth:
    """How a work stands, in the words of the job's row."""
    if status.is_locked:
        return Truth(Says.LOCKED, f"GhostCut: {status.failure_text}")
    if status.is_failed:
        return Truth(Says.FAILED, status.failure_text, _answer(status), status.paid_points)
    return Truth(Says.DONE if status.is_done else Says.RUNNING)


def _answer(status: WorkStatus) -> Json:
    """What the vendor said, less the link to our file."""
    return status.model_dump(mode="json", exclude={"url"}, exclude_none=True)


@step("store the final video")
async def store_text_removal(run: JobRun) -> None:
    """Stream the result into our storage, check it, and record what was measured and paid."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    if reached(job.point, Point.TEXT_REMOVAL_STORED):
        return
    submission = await accepted_submission(ledger, run, Stage.TEXT_REMOVAL)
    store = await run.connections.store()
    with no_verdict("GhostCut"):
        status = await _result(run, str(submission.vendor_id))
    if status.video_url is None:
        raise VendorUnavailable("GhostCut says that it is done, and names no result yet")
    facts = await bring_home(status.video_url, store, result_key(job.user_id, job.id), vendor="GhostCut")
    await ledger.settle(
        run.lease,
        submission,
        SubmissionState.DONE,
        answer=_answer(status),
        paid_points=status.paid_points,
    )
    job = await ledger.advance(
        run.lease,
        Point.TEXT_REMOVAL_STORED,
        metadata={"ghostcut_video_url": status.video_url},
        facts={"text_removal": facts},
    )
    show(job)


async def _result(run: JobRun, work_id: str) -> WorkStatus:
    """As it was heard of last, and asked for anew by whoever takes the job up again: links expire."""
    if heard := kept(work_id, WorkStatus):
        return heard
    async with run.connections.ghostcut_client() as client:
        return _shown((await client.status([work_id])).get(work_id), work_id)
