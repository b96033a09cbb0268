"""GhostCut: submit the areas once, wait for the work, bring its result home."""

import json
import logging
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import Final
from urllib.parse import unquote, urlsplit

from prefect.logging import get_run_logger

from tasks.runtime.callback_urls import callback_url
from tasks.runtime.concurrency import GHOSTCUT_SUBMITS, rate_limit
from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import job_task, polling_task
from tasks.runtime.paid_call import (
    ACCEPTED_WITHOUT_ID,
    Accepted,
    Inconclusive,
    LookupResult,
    NotReceived,
    PaidCall,
    still_in_doubt_error,
    submit_paid,
)
from tasks.runtime.polling import PollAttempt, ProgressThrottle, get_accepted_submission, treat_rejection_as_unavailable
from tasks.runtime.progress import report_progress
from tasks.runtime.result_storage import store_result
from tasks.runtime.status_pollers import PollBackoff, cache_status, pop_status, work_status_poller
from videojobs.db import JobRepository, Submission, SubmissionState, VideoJob
from videojobs.db.models import Json
from videojobs.errors import (
    InvalidRequest,
    JobParked,
    VendorFailed,
    VendorIdNotFound,
    VendorRejected,
    VendorUnavailable,
)
from videojobs.pipeline.facts import JobFacts
from videojobs.pipeline.masks import build_masks, explain_timeline, resolve_timeline
from videojobs.pipeline.recovery_policy import VendorState, VendorStatus
from videojobs.providers.batch_poller import BatchPoller
from videojobs.providers.ghostcut.client import GhostCutClient
from videojobs.providers.ghostcut.schemas import MaskSpec, Resolution, WorkStatus, build_work_body
from videojobs.requests.media_rules import validate_lip_sync_result
from videojobs.settings import LimitSettings, TimingSettings
from videojobs.states import POINT_SPECS, TEXT_REMOVAL_STARTING, RecoveryPoint, Stage, has_reached, progress_within
from videojobs.storage.object_store import ObjectStore, lip_sync_result_key, result_key

# Around the intent, in which a lost work is looked for. The times of works are on the vendor's clock, and whether it
# mistakes a time zone is not documented: a day covers any. Our link tells which work it is, the window only bounds the
# list, so its price is some pages of other works.
MAX_CLOCK_SKEW: Final = timedelta(days=1)
# The smallest plan keeps works for 7 days (GhostCut 14). Whether older ones are listed is not documented.
LISTING_WINDOW: Final = timedelta(days=7) - MAX_CLOCK_SKEW


@job_task("look for text to remove")
async def has_text_to_remove(run: JobRun) -> bool:
    """Whether the job goes on to text removal: it has areas, and something of them is left in the lip-sync result."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    if not job.has_areas:
        return False
    request, facts = job.video_request, job.facts
    return bool(build_masks(request, resolve_timeline(request, facts), facts.source_video.frame_rate))


@job_task("submit the text removal")
async def submit_text_removal(run: JobRun) -> None:
    """One paid work for this job, however often this runs."""
    logger = get_run_logger()
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    if has_reached(job.recovery_point, RecoveryPoint.TEXT_REMOVAL_SUBMITTED):
        return
    request, facts = job.video_request, job.facts
    logger.info("Found %d annotation areas. Starting GhostCut text inpainting...", len(request.effects))
    if problems := validate_lip_sync_result(facts.lip_sync_video, LimitSettings.current()):
        raise InvalidRequest(problems)
    decision = resolve_timeline(request, facts)
    explanation = explain_timeline(request, decision)
    for sentence in explanation:
        logger.log(logging.WARNING if decision.kind == "ambiguous" else logging.INFO, "Job %s: %s", job.id, sentence)
    report_progress(
        await repository.update_progress(run.lease, *TEXT_REMOVAL_STARTING, detail={"timeline": explanation})
    )
    store = await run.connections.store()
    masks = build_masks(request, decision, facts.source_video.frame_rate)
    call = PaidCall(
        vendor="GhostCut",
        stage=Stage.TEXT_REMOVAL,
        next_point=RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
        build_body=lambda submission: _build_body(job, store, masks, submission),
        send=lambda submission: _send(run, submission),
        idempotency_window=timedelta(0),  # no key: two submits are two paid works
        cost=job.cost_estimate[Stage.TEXT_REMOVAL],
        find=lambda submission: find_work(run, submission),
        body_max_age=timedelta(
            hours=TimingSettings.current().input_url_ttl_hours / 2
        ),  # the other half is for the vendor's queue
    )
    await rate_limit(GHOSTCUT_SUBMITS)
    await submit_paid(run, call)
    job = await repository.get_job(run.job_id)
    logger.info("GhostCut task created: %s", job.job_metadata["ghostcut_task_id"])
    report_progress(job)


def _build_body(job: VideoJob, store: ObjectStore, masks: list[MaskSpec], submission: Submission) -> bytes:
    options = job.video_request.options
    return build_work_body(
        url=store.presign(
            lip_sync_result_key(job.user_id, job.id), int(TimingSettings.current().input_url_ttl_hours * 3600)
        ),
        name=job.id,
        masks=masks,
        model=options.inpaint_model,
        language=options.inpaint_language,
        resolution=_max_resolution(job.facts.lip_sync_video.height),
        callback=callback_url("ghostcut", submission),
    )


def _max_resolution(height: int) -> Resolution:
    """The vendor's ceiling that leaves the picture its size: it scales down, never up."""
    if height <= 480:
        return "480p"
    return "720p" if height <= 720 else "1080p"


async def _send(run: JobRun, submission: Submission) -> Accepted:
    async with run.connections.ghostcut_client() as client:
        work = await client.submit(submission.request_body)
    return to_accepted(work.id, work.project_id)


def to_accepted(work_id: str, project_id: str | None) -> Accepted:
    """What the books say of a work that is ours."""
    return Accepted(
        vendor_id=work_id,
        batch_id=project_id,
        answer={"id": work_id, "idProject": project_id},
        metadata={"ghostcut_task_id": work_id, "ghostcut_project_id": project_id},
    )


async def find_work(run: JobRun, submission: Submission) -> LookupResult:
    """The work whose answer was lost: named by its callback or its project, or found in the account's list by our link.

    Missing from the list proves something only when the submission has had time to arrive and to be listed. Raises
    StillInDoubt until then, and Retryable where GhostCut cannot be asked.
    """
    repository = await run.connections.repository()
    try:
        async with run.connections.ghostcut_client() as client:
            if accepted := _match_by_source(source_url(submission), await _fetch_candidates(client, submission)):
                return accepted
            return await _search_work_list(repository, client, submission)
    except VendorRejected as refusal:  # nothing that a later try could change
        return Inconclusive(f"GhostCut does not say: {refusal}")


def _match_by_source(source: str, rows: list[WorkStatus]) -> Accepted | None:
    work = next((row for row in rows if row.url == source), None)
    return to_accepted(work.id, work.id_project) if work else None


async def _fetch_candidates(client: GhostCutClient, submission: Submission) -> list[WorkStatus]:
    """What the vendor shows of the work that the callback named, and of the project that the answer did.

    A refusal tells nothing: it may be the vendor's way to say that it knows no such id, or, of a project, that it knows
    no such question, which it does not document.
    """
    rows: list[WorkStatus] = []
    if submission.reported_vendor_id:
        with suppress(VendorRejected):
            rows += (await client.status([submission.reported_vendor_id])).values()
    if submission.vendor_batch_id:
        with suppress(VendorRejected):
            rows += await client.works_by_project(submission.vendor_batch_id)
    return rows


async def _search_work_list(repository: JobRepository, client: GhostCutClient, submission: Submission) -> LookupResult:
    """What the list of all works says, read in full."""
    source = source_url(submission)
    since, until = submission.intended_at - MAX_CLOCK_SKEW, submission.intended_at + MAX_CLOCK_SKEW
    age = await repository.submission_age(submission)  # before the list is read, so that all of it is as old
    await rate_limit(GHOSTCUT_SUBMITS)
    rows: list[WorkStatus] = []
    async for page in client.works_between(since, until):
        if accepted := _match_by_source(source, page):  # which needs no list that is whole
            return accepted
        rows += page
    known = {row.vendor_id for row in await repository.list_submissions(submission.job_id)}
    if candidates := [row.id for row in rows if row.id not in known and _may_match(source, row)]:
        return Inconclusive(
            f"GhostCut lists works that may be it ({', '.join(candidates[:5])}), without the link that it was sent"
        )
    return await _conclude_from_absence(repository, client, submission, age, rows)


async def _conclude_from_absence(
    repository: JobRepository, client: GhostCutClient, submission: Submission, age: timedelta, rows: list[WorkStatus]
) -> NotReceived | Inconclusive:
    """What it proves that the list does not show the work. Raises StillInDoubt."""
    settling = timedelta(seconds=TimingSettings.current().ghostcut_settling_seconds)
    if age > LISTING_WINDOW:
        return Inconclusive(f"it was sent {age.days} days ago, and GhostCut may list it no more")
    if age < settling:
        raise still_in_doubt_error(age, settling)
    if submission.vendor_answer == ACCEPTED_WITHOUT_ID or submission.reported_vendor_id or submission.vendor_batch_id:
        return Inconclusive("GhostCut has said that it took it, and lists nothing that was made from our link")
    if not await _is_list_trustworthy(repository, client, submission, settling, rows):
        return Inconclusive(
            "GhostCut lists none of the works that it has surely taken: of another account, or not at all"
        )
    return NotReceived({"works_seen": len(rows), "seconds_after_intent": round(age.total_seconds())})


async def _is_list_trustworthy(
    repository: JobRepository,
    client: GhostCutClient,
    submission: Submission,
    settling: timedelta,
    rows: list[WorkStatus],
) -> bool:
    """Whether lists show what they must: works that are surely taken; older ones, where those days have no other."""
    others = await repository.accepted_ids_around(submission, MAX_CLOCK_SKEW, settling)
    if not others and (others := await repository.accepted_ids_around(submission, LISTING_WINDOW, settling)):
        since, until = submission.intended_at - LISTING_WINDOW - MAX_CLOCK_SKEW, submission.intended_at + MAX_CLOCK_SKEW
        rows = [row async for page in client.works_between(since, until) for row in page]
    return not others or not others.isdisjoint(row.id for row in rows)


def _may_match(source: str, row: WorkStatus) -> bool:
    """Whether a work may have been made from this link though it does not show it: it shows none, or a changed one."""
    return not row.url or unquote(urlsplit(source).path) in unquote(row.url)


def source_url(submission: Submission) -> str:
    """The link that the vendor was given: signed for this job and this moment, so no other work has the same."""
    url: str = json.loads(submission.request_body)["urls"][0]
    return url


@polling_task("wait for the text removal")
async def await_text_removal(run: JobRun) -> None:
    """Wait for the work's callback, and ask beside that, together with all other jobs. Raises VendorFailed."""
    repository = await run.connections.repository()
    if has_reached((await repository.get_job(run.job_id)).recovery_point, RecoveryPoint.TEXT_REMOVAL_STORED):
        return
    submission = await get_accepted_submission(repository, run, Stage.TEXT_REMOVAL)
    poller, work_id = work_status_poller(run.connections), str(submission.vendor_id)
    with ExitStack() as stack:
        stack.callback(poller.discard, work_id)
        stack.enter_context(repository.notifications.subscribe(run.job_id, lambda: poller.poll_now(work_id)))
        attempt, backoff, throttle = PollAttempt(repository, run, submission), PollBackoff(), ProgressThrottle()
        stack.enter_context(attempt.wake_on_callback())
        async for _ in attempt.polls():
            status = await attempt.query(
                _poll_status(
                    poller, work_id, backoff.next_delay(wakes_on_callback=repository.notifications.is_listening)
                )
            )
            if status is None:
                continue
            if status.is_done:
                cache_status(work_id, status)
                return
            if status.is_failed:
                await _fail_or_park(repository, run, submission, status)
            await attempt.park_if_overdue()
            if throttle.should_report(status.progress_percent):
                await _report_progress(repository, run, status)


async def _report_progress(repository: JobRepository, run: JobRun, status: WorkStatus) -> None:
    percent = progress_within(RecoveryPoint.TEXT_REMOVAL_SUBMITTED, status.progress_percent / 100)
    get_run_logger().info("Job %s: GhostCut still processing (%d%%)", run.job_id, status.progress_percent)
    report_progress(
        await repository.update_progress(run.lease, percent, POINT_SPECS[RecoveryPoint.TEXT_REMOVAL_SUBMITTED].message)
    )


async def _poll_status(poller: BatchPoller[WorkStatus], work_id: str, max_age: float) -> WorkStatus:
    return _require_status(await poller.wait_for(work_id, max_age), work_id)


def _require_status(status: WorkStatus | None, work_id: str) -> WorkStatus:
    if status is None:
        raise VendorIdNotFound(f"GhostCut does not show work {work_id}")
    return status


async def _fail_or_park(repository: JobRepository, run: JobRun, submission: Submission, status: WorkStatus) -> None:
    vendor_status = to_vendor_status(status)
    if vendor_status.state is VendorState.LOCKED:  # paid for and finished: another submission would be paid twice
        await repository.park(run.lease, vendor_status.message)
        raise JobParked(vendor_status.message)
    await repository.record_outcome(
        run.lease,
        submission,
        SubmissionState.FAILED,
        error=vendor_status.message,
        answer=vendor_status.response,
        paid_points=vendor_status.paid_points,
    )
    raise VendorFailed(vendor_status.message)


def to_vendor_status(status: WorkStatus) -> VendorStatus:
    """How a work stands, in the words of the job's row."""
    if status.is_locked:
        return VendorStatus(VendorState.LOCKED, f"GhostCut: {status.failure_text}")
    if status.is_failed:
        return VendorStatus(VendorState.FAILED, status.failure_text, _redacted_response(status), status.paid_points)
    return VendorStatus(VendorState.DONE if status.is_done else VendorState.RUNNING)


def _redacted_response(status: WorkStatus) -> Json:
    """What the vendor said, less the link to our file."""
    return status.model_dump(mode="json", exclude={"url"}, exclude_none=True)


@job_task("store the final video")
async def store_text_removal(run: JobRun) -> None:
    """Stream the result into our storage, check it, and record what was measured and paid."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    if has_reached(job.recovery_point, RecoveryPoint.TEXT_REMOVAL_STORED):
        return
    submission = await get_accepted_submission(repository, run, Stage.TEXT_REMOVAL)
    store = await run.connections.store()
    with treat_rejection_as_unavailable("GhostCut"):
        status = await _get_work(run, str(submission.vendor_id))
    if status.result_url is None:
        raise VendorUnavailable("GhostCut says that it is done, and names no result yet")
    video = await store_result(status.result_url, store, result_key(job.user_id, job.id), vendor="GhostCut")
    await repository.record_outcome(
        run.lease,
        submission,
        SubmissionState.DONE,
        answer=_redacted_response(status),
        paid_points=status.paid_points,
    )
    job = await repository.advance(
        run.lease,
        RecoveryPoint.TEXT_REMOVAL_STORED,
        metadata={"ghostcut_video_url": status.result_url},
        facts=JobFacts(text_removal=video),
    )
    report_progress(job)


async def _get_work(run: JobRun, work_id: str) -> WorkStatus:
    """As it was heard of last, and asked for anew by whoever takes the job up again: links expire."""
    if cached := pop_status(work_id, WorkStatus):
        return cached
    async with run.connections.ghostcut_client() as client:
        return _require_status((await client.status([work_id])).get(work_id), work_id)
