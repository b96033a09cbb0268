"""Sync.so: submit the segments once, wait for the generation, bring its result home."""

import asyncio
import json
from contextlib import suppress
from datetime import timedelta

from prefect.logging import get_run_logger

from tasks.callbacks import callback_url
from tasks.progress import show
from tasks.results import bring_home
from tasks.run import JobRun
from tasks.slots import SYNC_SO_CREATES, SYNC_SO_READS, turn
from tasks.steps import polling_step, step
from tasks.submission import Accepted, Finding, NoProof, PaidCall, buy
from tasks.waiting import Polling, Reports, accepted_submission, no_verdict
from tasks.watching import generation_news, keep, kept
from videojobs.costs import expected
from videojobs.errors import InvalidRequest, VendorFailed, VideoJobError
from videojobs.fitting import SENT_SEGMENTS, audio_lengths, fit_to_files, segments_in
from videojobs.ledger import Ledger, Submission, SubmissionState, VideoJob
from videojobs.media.store import ObjectStore, sync_result_key
from videojobs.recovery import Says, Truth
from videojobs.request import JobRequest
from videojobs.rules import check_segments
from videojobs.settings import Limits, Timings
from videojobs.states import LIP_SYNC_DONE, Point, Stage, progress_within, reached
from videojobs.vendors.sync_so.client import SyncSoClient
from videojobs.vendors.sync_so.refusals import GenerationNotFound
from videojobs.vendors.sync_so.wire import Generation, SegmentSpec, generation_request

_PAGES = 100  # of 100 generations: more than any plan makes in a day
_CLOCKS_DIFFER = timedelta(minutes=10)  # the vendor's and the database's
_LINKS = {"input", "output_url", "output_media_url", "segmentOutputUrl"}


@step("submit the lip-sync")
async def submit_lip_sync(run: JobRun) -> None:
    """One paid generation for this job, however often this runs."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    if reached(job.point, Point.LIP_SYNC_SUBMITTED):
        return
    store = await run.connections.store()
    call = PaidCall(
        vendor="Sync.so",
        stage=Stage.LIP_SYNC,
        to=Point.LIP_SYNC_SUBMITTED,
        body=lambda submission: generation_body(job, store, callback_url("sync-so", submission)),
        send=lambda submission: _send(run, submission),
        replay_within=timedelta(hours=Timings().replay_hours),
        cost=expected(job.request, job.facts, job.estimate)[Stage.LIP_SYNC],
        find=lambda submission: _find(run, submission),
        same_bytes_for=timedelta(hours=Timings().media_link_hours / 2),  # the other half is for the vendor's queue
    )
    if await ledger.live_submission(job.id, Stage.LIP_SYNC) is None:  # else its bytes are settled
        await _look_at_ends(ledger, run, job)
    await turn(SYNC_SO_CREATES)
    await buy(run, call)
    show(await ledger.job(run.job_id))


async def _look_at_ends(ledger: Ledger, run: JobRun, job: VideoJob) -> None:
    """Tell in the events and the log which ends are sent earlier than the client gave them. Raises InvalidRequest where
    nothing of a segment is left: the door let it pass, but the settings have changed since, or it was an older version.
    """
    request, limits = JobRequest.model_validate(job.request), Limits()
    video = job.facts["video"]
    if problems := check_segments(request, video["duration"], video["frame_rate"], audio_lengths(job.facts), limits):
        raise InvalidRequest(problems)
    if changes := fit_to_files(request, job.facts, limits).changes:
        await ledger.record(run.lease, "shortened", {"changes": changes})
    for change in changes:
        get_run_logger().info("Job %s: for Sync.so, %s", job.id, change)


def generation_body(job: VideoJob, store: ObjectStore, webhook_url: str | None = None) -> bytes:
    """What Sync.so is sent to be paid for, or to be asked for an estimate of: then nobody is to be called back."""
    request = JobRequest.model_validate(job.request)
    inputs = job.facts["inputs"]

    def link(uri: str) -> str:
        owner, key = store.located(uri)
        return owner.presign(key, int(Timings().media_link_hours * 3600))

    return generation_request(
        model=request.options.model,
        video_url=link(inputs["video"]),
        audio_urls={ref_id: link(uri) for ref_id, uri in inputs["audio"].items()},
        segments=[
            SegmentSpec(
                start=segment.startTime,
                end=segment.endTime,
                ref_id=segment.audioInput.refId,
                crop_start=segment.audioInput.startTime,
                crop_end=segment.audioInput.endTime,
            )
            for segment in fit_to_files(request, job.facts, Limits()).segments
        ],
        sync_mode=request.options.sync_mode,
        webhook_url=webhook_url,
    )


async def _send(run: JobRun, submission: Submission) -> Accepted:
    async with run.connections.sync_so_client() as client:
        generation = await client.create(submission.request_body, submission.idempotency_key)
    return taken(generation)


async def _find(run: JobRun, submission: Submission) -> Finding:
    """The generation that was made from our file.

    The one that its callback named, if there was one; else it is looked for in the vendor's list, newest first, back to
    the submission.
    """
    since = submission.intended_at - _CLOCKS_DIFFER
    cursor = None
    async with run.connections.sync_so_client() as client:
        if submission.candidate_id and (named := await _named(client, submission, submission.candidate_id)):
            return named
        for _ in range(_PAGES):
            await turn(SYNC_SO_READS)
            page = await client.list_recent(cursor=cursor)
            for generation in page:
                if source_of(submission) in inputs_of(generation):
                    return taken(generation)
            if not page or (page[-1].created_at or since) < since:
                break
            cursor = page[-1].id
    return NoProof("its list shows nothing that was made from our file")


async def _named(client: SyncSoClient, submission: Submission, generation_id: str) -> Accepted | None:
    """A callback's word alone is no proof: the vendor itself has to show our file."""
    with suppress(GenerationNotFound):
        await turn(SYNC_SO_READS)
        generation = await client.get(generation_id)
        if source_of(submission) in inputs_of(generation):
            return taken(generation)
    return None


def source_of(submission: Submission) -> str:
    """The link to our video that the vendor was given: signed for this job and this moment."""
    url: str = json.loads(submission.request_body)["input"][0]["url"]
    return url


def inputs_of(generation: Generation) -> set[str]:
    """The links that the vendor says it was made from."""
    return {item["url"] for item in generation.input or [] if isinstance(item.get("url"), str)}


def taken(generation: Generation) -> Accepted:
    """What the books say of a generation that is ours."""
    answer = _answer(generation)
    return Accepted(
        vendor_id=generation.id,
        answer=answer,
        metadata={"sync_generation_id": generation.id, "sync_response": answer},
    )


def _answer(generation: Generation) -> dict[str, object]:
    """What the vendor said, less its links: who has one has the file, and rows are read by many."""
    return generation.model_dump(mode="json", exclude=_LINKS, exclude_none=True)


@polling_step("wait for the lip-sync")
async def await_lip_sync(run: JobRun) -> None:
    """Ask until the generation has ended, at once when its callback has come. Raises VendorFailed."""
    ledger = await run.connections.ledger()
    if reached((await ledger.job(run.job_id)).point, Point.LIP_SYNC_STORED):
        return
    submission = await accepted_submission(ledger, run, Stage.LIP_SYNC)
    woken = asyncio.Event()
    polling, reports = Polling(ledger, run, submission), Reports()
    with polling.heard(), ledger.bell.heard_by(run.job_id, woken.set):
        async for _ in polling.rounds():
            news = await polling.ask(generation_news(run.connections, str(submission.vendor_id), woken))
            if news is None:
                continue
            generation = news.generation
            if generation.is_done:
                keep(generation.id, generation)
                show(await ledger.tell(run.lease, *LIP_SYNC_DONE))
                return
            if generation.is_failed:
                await _failed(ledger, run, submission, generation)
            await polling.park_if_overdue()
            if not news.listed and reports.is_due():
                await _report(ledger, run, submission)


async def _failed(ledger: Ledger, run: JobRun, submission: Submission, generation: Generation) -> None:
    truth = truth_of(generation)
    await ledger.settle(run.lease, submission, SubmissionState.FAILED, error=truth.text, answer=truth.answer)
    raise VendorFailed(truth.text)


def truth_of(generation: Generation) -> Truth:
    """How a generation stands, in the words of the job's row."""
    if generation.is_failed:
        return Truth(Says.FAILED, f"Lip-sync failed: {generation.failure_text}", _answer(generation))
    return Truth(Says.DONE if generation.is_done else Says.RUNNING)


async def _report(ledger: Ledger, run: JobRun, submission: Submission) -> None:
    """The vendor's own progress cannot be had from a waiting request, so it is asked for between some of them."""
    percent: float | None = None
    with suppress(VideoJobError):  # the next poll tells whether the vendor answers at all
        await turn(SYNC_SO_READS)
        async with run.connections.sync_so_client() as client:
            percent = (await client.get(str(submission.vendor_id), progress=True)).progress_percent
    if percent is not None:
        share = progress_within(Point.LIP_SYNC_SUBMITTED, percent / 100)
        job = await ledger.job(run.job_id)
        show(await ledger.tell(run.lease, share, job.progress_message))


@step("store the lip-sync result")
async def store_lip_sync(run: JobRun) -> None:
    """Stream the result into our storage, check it, and record what was measured."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    if reached(job.point, Point.LIP_SYNC_STORED):
        return
    submission = await accepted_submission(ledger, run, Stage.LIP_SYNC)
    store = await run.connections.store()
    with no_verdict("Sync.so"):
        generation = await _result(run, str(submission.vendor_id))
        url = generation.result_url or await _link(run, generation.id)
    key = sync_result_key(job.user_id, job.id)
    facts = await bring_home(url, store, key, vendor="Sync.so")
    await ledger.settle(run.lease, submission, SubmissionState.DONE, answer=_answer(generation))
    sent = segments_in(submission.request_body)
    job = await ledger.advance(run.lease, Point.LIP_SYNC_STORED, facts={"lip_sync": facts, SENT_SEGMENTS: sent})
    get_run_logger().info("Job %s: Sync.so result uploaded to S3: %s", job.id, store.uri(key))
    show(job)


async def _result(run: JobRun, generation_id: str) -> Generation:
    """As it was heard of last, and asked for anew by whoever takes the job up again: links expire."""
    if heard := kept(generation_id, Generation):
        return heard
    await turn(SYNC_SO_READS)
    async with run.connections.sync_so_client() as client:
        return await client.get(generation_id)


async def _link(run: JobRun, generation_id: str) -> str:
    await turn(SYNC_SO_READS)
    async with run.connections.sync_so_client() as client:
        return await client.download_url(generation_id)
