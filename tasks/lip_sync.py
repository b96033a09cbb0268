"""Sync.so: submit the segments once, wait for the generation, bring its result home."""

import asyncio
import json
from contextlib import suppress
from datetime import timedelta

from prefect.logging import get_run_logger

from tasks.runtime.callback_urls import callback_url
from tasks.runtime.concurrency import SYNC_SO_CREATES, SYNC_SO_READS, rate_limit
from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import job_task, polling_task
from tasks.runtime.paid_call import Accepted, Inconclusive, LookupResult, PaidCall, submit_paid
from tasks.runtime.polling import PollAttempt, ProgressThrottle, get_accepted_submission, treat_rejection_as_unavailable
from tasks.runtime.progress import report_progress
from tasks.runtime.result_storage import store_result
from tasks.runtime.status_pollers import cache_status, next_status, pop_status
from videojobs.db import JobRepository, Submission, SubmissionState, VideoJob
from videojobs.errors import InvalidRequest, VendorFailed, VideoJobError
from videojobs.pipeline.facts import JobFacts
from videojobs.pipeline.recovery_policy import VendorState, VendorStatus
from videojobs.pipeline.segment_adjustment import fit_request_segments, segments_from_body
from videojobs.providers.sync_so.client import SyncSoClient
from videojobs.providers.sync_so.errors import GenerationNotFound
from videojobs.providers.sync_so.schemas import Generation, SegmentSpec, build_generation_body
from videojobs.requests.media_rules import validate_segments
from videojobs.settings import LimitSettings, TimingSettings
from videojobs.states import LIP_SYNC_DONE, RecoveryPoint, Stage, has_reached, progress_within
from videojobs.storage.object_store import ObjectStore, lip_sync_result_key

_MAX_PAGES = 100  # of 100 generations: more than any plan makes in a day
_MAX_CLOCK_SKEW = timedelta(minutes=10)  # the vendor's and the database's
_URL_FIELDS = {"input", "output_url", "output_media_url", "segmentOutputUrl"}


@job_task("submit the lip-sync")
async def submit_lip_sync(run: JobRun) -> None:
    """One paid generation for this job, however often this runs."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    if has_reached(job.recovery_point, RecoveryPoint.LIP_SYNC_SUBMITTED):
        return
    store = await run.connections.store()
    call = PaidCall(
        vendor="Sync.so",
        stage=Stage.LIP_SYNC,
        next_point=RecoveryPoint.LIP_SYNC_SUBMITTED,
        build_body=lambda submission: build_request_body(job, store, callback_url("sync-so", submission)),
        send=lambda submission: _send(run, submission),
        idempotency_window=timedelta(hours=TimingSettings.current().idempotent_retry_hours),
        cost=job.cost_estimate[Stage.LIP_SYNC],
        find=lambda submission: _find_generation(run, submission),
        body_max_age=timedelta(
            hours=TimingSettings.current().input_url_ttl_hours / 2
        ),  # the other half is for the vendor's queue
    )
    if await repository.get_live_submission(job.id, Stage.LIP_SYNC) is None:  # else its bytes are settled
        await _record_segment_adjustments(repository, run, job)
    await rate_limit(SYNC_SO_CREATES)
    await submit_paid(run, call)
    report_progress(await repository.get_job(run.job_id))


async def _record_segment_adjustments(repository: JobRepository, run: JobRun, job: VideoJob) -> None:
    """Tell in the events and the log which ends are sent earlier than the client gave them. Raises InvalidRequest where
    nothing of a segment is left: the door let it pass, but the settings have changed since, or it was an older version.
    """
    request, facts, limits = job.video_request, job.facts, LimitSettings.current()
    video = facts.source_video
    if problems := validate_segments(request, video.duration, video.frame_rate, facts.audio_durations, limits):
        raise InvalidRequest(problems)
    if changes := fit_request_segments(request, facts, limits).changes:
        await repository.record_event(run.lease, "shortened", {"changes": changes})
    for change in changes:
        get_run_logger().info("Job %s: for Sync.so, %s", job.id, change)


def build_request_body(job: VideoJob, store: ObjectStore, webhook_url: str | None = None) -> bytes:
    """What Sync.so is sent to be paid for, or to be asked for an estimate of: then nobody is to be called back."""
    request, facts = job.video_request, job.facts

    def presign_uri(uri: str) -> str:
        owner, key = store.resolve_uri(uri)
        return owner.presign(key, int(TimingSettings.current().input_url_ttl_hours * 3600))

    return build_generation_body(
        model=request.options.model,
        video_url=presign_uri(facts.stored_inputs.video),
        audio_urls={ref_id: presign_uri(uri) for ref_id, uri in facts.stored_inputs.audio.items()},
        segments=[
            SegmentSpec(
                start=segment.startTime,
                end=segment.endTime,
                ref_id=segment.audioInput.refId,
                crop_start=segment.audioInput.startTime,
                crop_end=segment.audioInput.endTime,
            )
            for segment in fit_request_segments(request, facts, LimitSettings.current()).segments
        ],
        sync_mode=request.options.sync_mode,
        webhook_url=webhook_url,
    )


async def _send(run: JobRun, submission: Submission) -> Accepted:
    async with run.connections.sync_so_client() as client:
        generation = await client.create(submission.request_body, submission.idempotency_key)
    return to_accepted(generation)


async def _find_generation(run: JobRun, submission: Submission) -> LookupResult:
    """The generation that was made from our file.

    The one that its callback named, if there was one; else it is looked for in the vendor's list, newest first, back to
    the submission.
    """
    since = submission.intended_at - _MAX_CLOCK_SKEW
    cursor = None
    async with run.connections.sync_so_client() as client:
        if submission.reported_vendor_id and (
            candidate := await _confirm_candidate(client, submission, submission.reported_vendor_id)
        ):
            return candidate
        for _ in range(_MAX_PAGES):
            await rate_limit(SYNC_SO_READS)
            page = await client.list_recent(cursor=cursor)
            for generation in page:
                if source_url(submission) in input_urls(generation):
                    return to_accepted(generation)
            if not page or (page[-1].created_at or since) < since:
                break
            cursor = page[-1].id
    return Inconclusive("its list shows nothing that was made from our file")


async def _confirm_candidate(client: SyncSoClient, submission: Submission, generation_id: str) -> Accepted | None:
    """A callback's word alone is no proof: the vendor itself has to show our file."""
    with suppress(GenerationNotFound):
        await rate_limit(SYNC_SO_READS)
        generation = await client.get(generation_id)
        if source_url(submission) in input_urls(generation):
            return to_accepted(generation)
    return None


def source_url(submission: Submission) -> str:
    """The link to our video that the vendor was given: signed for this job and this moment."""
    url: str = json.loads(submission.request_body)["input"][0]["url"]
    return url


def input_urls(generation: Generation) -> set[str]:
    """The links that the vendor says it was made from."""
    return {item["url"] for item in generation.input or [] if isinstance(item.get("url"), str)}


def to_accepted(generation: Generation) -> Accepted:
    """What the books say of a generation that is ours."""
    response = _redacted_response(generation)
    return Accepted(
        vendor_id=generation.id,
        answer=response,
        metadata={"sync_generation_id": generation.id, "sync_response": response},
    )


def _redacted_response(generation: Generation) -> dict[str, object]:
    """What the vendor said, less its links: who has one has the file, and rows are read by many."""
    return generation.model_dump(mode="json", exclude=_URL_FIELDS, exclude_none=True)


@polling_task("wait for the lip-sync")
async def await_lip_sync(run: JobRun) -> None:
    """Ask until the generation has ended, at once when its callback has come. Raises VendorFailed."""
    repository = await run.connections.repository()
    if has_reached((await repository.get_job(run.job_id)).recovery_point, RecoveryPoint.LIP_SYNC_STORED):
        return
    submission = await get_accepted_submission(repository, run, Stage.LIP_SYNC)
    wake = asyncio.Event()
    attempt, throttle = PollAttempt(repository, run, submission), ProgressThrottle()
    with attempt.wake_on_callback(), repository.notifications.subscribe(run.job_id, wake.set):
        async for _ in attempt.polls():
            update = await attempt.query(next_status(run.connections, str(submission.vendor_id), wake))
            if update is None:
                continue
            generation = update.generation
            if generation.is_done:
                cache_status(generation.id, generation)
                report_progress(await repository.update_progress(run.lease, *LIP_SYNC_DONE))
                return
            if generation.is_failed:
                await _fail_submission(repository, run, submission, generation)
            await attempt.park_if_overdue()
            if not update.from_list and throttle.should_report():
                await _report_progress(repository, run, submission)


async def _fail_submission(
    repository: JobRepository, run: JobRun, submission: Submission, generation: Generation
) -> None:
    status = to_vendor_status(generation)
    await repository.record_outcome(
        run.lease, submission, SubmissionState.FAILED, error=status.message, answer=status.response
    )
    raise VendorFailed(status.message)


def to_vendor_status(generation: Generation) -> VendorStatus:
    """How a generation stands, in the words of the job's row."""
    if generation.is_failed:
        return VendorStatus(
            VendorState.FAILED, f"Lip-sync failed: {generation.failure_text}", _redacted_response(generation)
        )
    return VendorStatus(VendorState.DONE if generation.is_done else VendorState.RUNNING)


async def _report_progress(repository: JobRepository, run: JobRun, submission: Submission) -> None:
    """The vendor's own progress cannot be had from a waiting request, so it is asked for between some of them."""
    percent: float | None = None
    with suppress(VideoJobError):  # the next poll tells whether the vendor answers at all
        await rate_limit(SYNC_SO_READS)
        async with run.connections.sync_so_client() as client:
            percent = (await client.get(str(submission.vendor_id), progress=True)).progress_percent
    if percent is not None:
        share = progress_within(RecoveryPoint.LIP_SYNC_SUBMITTED, percent / 100)
        job = await repository.get_job(run.job_id)
        report_progress(await repository.update_progress(run.lease, share, job.progress_message))


@job_task("store the lip-sync result")
async def store_lip_sync(run: JobRun) -> None:
    """Stream the result into our storage, check it, and record what was measured."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    if has_reached(job.recovery_point, RecoveryPoint.LIP_SYNC_STORED):
        return
    submission = await get_accepted_submission(repository, run, Stage.LIP_SYNC)
    store = await run.connections.store()
    with treat_rejection_as_unavailable("Sync.so"):
        generation = await _get_generation(run, str(submission.vendor_id))
        url = generation.result_url or await _get_download_url(run, generation.id)
    key = lip_sync_result_key(job.user_id, job.id)
    video = await store_result(url, store, key, vendor="Sync.so")
    await repository.record_outcome(run.lease, submission, SubmissionState.DONE, answer=_redacted_response(generation))
    facts = JobFacts(lip_sync=video, sent_segments=segments_from_body(submission.request_body))
    job = await repository.advance(run.lease, RecoveryPoint.LIP_SYNC_STORED, facts=facts)
    get_run_logger().info("Job %s: Sync.so result uploaded to S3: %s", job.id, store.uri(key))
    report_progress(job)


async def _get_generation(run: JobRun, generation_id: str) -> Generation:
    """As it was heard of last, and asked for anew by whoever takes the job up again: links expire."""
    if cached := pop_status(generation_id, Generation):
        return cached
    await rate_limit(SYNC_SO_READS)
    async with run.connections.sync_so_client() as client:
        return await client.get(generation_id)


async def _get_download_url(run: JobRun, generation_id: str) -> str:
    await rate_limit(SYNC_SO_READS)
    async with run.connections.sync_so_client() as client:
        return await client.download_url(generation_id)
