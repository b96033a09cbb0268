"""The three steps of a paid stage, the same for each vendor: submit, await, store.

Which provider serves a stage is a setting; a submission stays with the provider that it was made for.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

from prefect.logging import get_run_logger

from tasks.runtime.callback_urls import callback_url
from tasks.runtime.concurrency import vendor_slot
from tasks.runtime.job_run import JobRun
from tasks.runtime.paid_call import PaidCall, submit_paid
from tasks.runtime.polling import PollAttempt, ProgressThrottle, get_accepted_submission, treat_rejection_as_unavailable
from tasks.runtime.progress_artifact import report_progress
from tasks.runtime.result_storage import store_result
from tasks.runtime.status_feed import StatusFeed, StatusUpdate, cache_status, pop_status
from tasks.runtime.vendor_account import VendorAccount
from videojobs.db import JobRepository, Submission, SubmissionState, VideoJob
from videojobs.errors import InvalidRequest, JobParked, VendorFailed, VendorUnavailable, VideoJobError
from videojobs.pipeline.cost_estimate import cost_estimate_of
from videojobs.progress import POINT_SPECS, progress_within
from videojobs.providers.base import Provider, StageInputs, VendorState, VendorStatus
from videojobs.providers.registry import get_provider, provider_of
from videojobs.settings import TimingSettings
from videojobs.states import RecoveryPoint, Stage
from videojobs.storage.object_store import ObjectStore


async def find_provider(repository: JobRepository, job_id: str, stage: Stage) -> Provider[Any]:
    """The provider that the job's stage is with, or will be submitted to."""
    return provider_of(await repository.get_live_submission(job_id, stage), stage)


@asynccontextmanager
async def stage_slot(run: JobRun, stage: Stage) -> AsyncIterator[None]:
    """Hold one of the provider's concurrency slots."""
    provider = await find_provider(await run.connections.repository(), run.job_id, stage)
    async with vendor_slot(provider.limits.concurrency.name):
        yield


def presign_for_vendor(store: ObjectStore, key: str, *, download_name: str | None = None) -> str:
    """A link that lasts until the vendor has processed its queue.

    Two links to one object that are signed in the same second are the same. Where a link has to tell one job from
    another, `download_name` makes it the job's own.
    """
    seconds = int(TimingSettings.current().input_url_ttl_hours * 3600)
    return store.presign(key, seconds, download_name=download_name)


async def submit_stage(
    run: JobRun,
    repository: JobRepository,
    job: VideoJob,
    make_inputs: Callable[[], StageInputs],
    stage: Stage,
    next_point: RecoveryPoint,
) -> None:
    """One paid submission for this stage of the job, however often this runs.

    `make_inputs` is called for a new submission only, just before it is sent: links in it expire.
    """
    provider, timings = await find_provider(repository, job.id, stage), TimingSettings.current()
    account = VendorAccount(provider, run.connections)
    call = PaidCall(
        provider=provider.key,
        stage=stage,
        next_point=next_point,
        build_body=lambda submission: _build_body(provider, make_inputs(), submission),
        send=account.submit,
        idempotency_window=timedelta(
            hours=timings.idempotent_retry_hours if provider.capabilities.idempotent_retry else 0
        ),
        cost=cost_estimate_of(job)[stage],
        find=lambda submission: account.find(repository, submission),
        body_max_age=timedelta(hours=timings.input_url_ttl_hours / 2),  # the other half is for the vendor's queue
    )
    await account.pace_submit()
    await submit_paid(run, call)
    submission = await get_accepted_submission(repository, run, stage)
    get_run_logger().info("%s task created: %s", provider.display_name, submission.vendor_id)
    report_progress(await repository.get_job(run.job_id))


def _build_body(provider: Provider[Any], inputs: StageInputs, submission: Submission) -> bytes:
    """The bytes of a new submission. The provider may have been chosen after the job was admitted, so its rules are
    checked here as well. Raises InvalidRequest."""
    request = inputs.request
    areas = dict(enumerate(request.effects))
    if problems := provider.validate(request.options, areas, whole_frame=request.removes_whole_frame):
        raise InvalidRequest(problems)
    return provider.build_request(inputs, callback_url(provider, submission))


async def await_stage(run: JobRun, repository: JobRepository, stage: Stage, waiting_point: RecoveryPoint) -> None:
    """Poll until the submission has ended, at once when its callback arrives. Raises VendorFailed or JobParked."""
    submission = await get_accepted_submission(repository, run, stage)
    account = VendorAccount(get_provider(submission.provider), run.connections)
    vendor_id, notifications = str(submission.vendor_id), repository.notifications
    is_reachable = callback_url(account.provider, submission) is not None
    feed = StatusFeed(account, vendor_id, expects_callback=lambda: is_reachable and notifications.is_listening)
    attempt, throttle = PollAttempt(repository, run, submission), ProgressThrottle()
    with attempt.wake_on_callback(), notifications.subscribe(run.job_id, feed.wake):
        async for _ in attempt.polls():
            update = await attempt.query(feed.next_status())
            if update is None:
                continue
            if update.status.state is VendorState.DONE:
                cache_status(account.provider.key, vendor_id, update.status)
                return
            await _end_if_failed(repository, run, submission, update.status)
            await attempt.park_if_overdue()
            await _report_vendor_progress(repository, run, account, vendor_id, waiting_point, throttle, update)


async def _end_if_failed(repository: JobRepository, run: JobRun, submission: Submission, status: VendorStatus) -> None:
    if status.state is VendorState.LOCKED:  # paid for and finished: another submission would be paid twice
        await repository.park(run.lease, status.message)
        raise JobParked(status.message)
    if status.state is VendorState.FAILED:
        await repository.record_outcome(
            run.lease,
            submission,
            SubmissionState.FAILED,
            error=status.message,
            answer=status.response,
            paid_points=status.paid_points,
        )
        raise VendorFailed(status.message)


async def _report_vendor_progress(
    repository: JobRepository,
    run: JobRun,
    account: VendorAccount,
    vendor_id: str,
    point: RecoveryPoint,
    throttle: ProgressThrottle,
    update: StatusUpdate,
) -> None:
    """From the status, or by a request of its own where the status does not include it."""
    percent = update.status.progress
    if (percent is None and update.from_batch) or not throttle.should_report(percent):
        return
    if percent is None:
        with suppress(VideoJobError):  # the next poll tells whether the vendor is available
            percent = await account.progress(vendor_id)
    if percent is None:
        return
    vendor = account.provider.display_name
    get_run_logger().info("Job %s: %s still processing (%d%%)", run.job_id, vendor, percent)
    progress = progress_within(point, percent / 100)
    report_progress(await repository.update_progress(run.lease, progress, POINT_SPECS[point].message))


async def store_stage(
    run: JobRun, repository: JobRepository, stage: Stage, key: str, next_point: RecoveryPoint
) -> None:
    """Stream the result into our storage, check it, and record what was measured and paid."""
    submission = await get_accepted_submission(repository, run, stage)
    account, store = VendorAccount(get_provider(submission.provider), run.connections), await run.connections.store()
    provider = account.provider
    with treat_rejection_as_unavailable(provider.display_name):
        status = await _final_status(account, str(submission.vendor_id))
        url = await account.result_url(str(submission.vendor_id), status)
    if url is None:
        raise VendorUnavailable(f"{provider.display_name} reports that it is done, but has no result URL yet")
    video = await store_result(url, store, key, vendor=provider.display_name)
    await repository.record_outcome(
        run.lease, submission, SubmissionState.DONE, answer=status.response, paid_points=status.paid_points
    )
    job = await repository.advance(
        run.lease,
        next_point,
        metadata=provider.result_metadata(url),
        facts=provider.request_facts(submission.request_body).model_copy(update={stage.value: video}),
    )
    get_run_logger().info("Job %s: %s result uploaded to S3: %s", job.id, provider.display_name, store.uri(key))
    report_progress(job)


async def _final_status(account: VendorAccount, vendor_id: str) -> VendorStatus:
    """The cached one, or a fresh one if another run resumes the job: links expire."""
    if cached := pop_status(account.provider.key, vendor_id):
        return cached
    if status := (await account.status([vendor_id])).get(vendor_id):
        return status
    raise VendorUnavailable(f"{account.provider.display_name} does not show {vendor_id}")
