"""What endpoints and pages do with existing jobs: load, list, cancel, retry, link to files."""

from collections.abc import Sequence
from dataclasses import dataclass

from deployments.api.auth import Principal
from deployments.api.dependencies import AppState
from deployments.api.errors import ApiError
from deployments.api.pagination import decode_cursor, encode_cursor, resolve_owner
from deployments.api.schemas.jobs import FileKind, Job
from deployments.api.views.editor_view import old_job_fields
from deployments.api.views.job_view import (
    available_downloads,
    can_cancel,
    can_retry,
    event_log,
    stage_costs,
    to_summary,
)
from deployments.api.views.status import download_file_name, has_comparison_image, object_key, presign_existing
from tasks.runtime.cancellation import cancellation_message
from videojobs.db import JobEventKind, VideoJob
from videojobs.db.repository_base import parse_flow_run_id
from videojobs.states import JobKind, Status


@dataclass(frozen=True, slots=True)
class JobRows:
    """One page of jobs, newest first."""

    jobs: Sequence[VideoJob]
    next_cursor: str | None  # None on the last page


async def list_jobs(
    state: AppState,
    principal: Principal,
    *,
    statuses: Sequence[Status] = (),
    kind: JobKind | None = None,
    user: str | None = None,
    limit: int,
    cursor: str | None = None,
) -> JobRows:
    """The jobs that the caller may see. Raises ApiError for another user's list (403) or a bad cursor (422)."""
    owner, after = resolve_owner(principal, user), decode_cursor(cursor) if cursor else None
    repository = await state.services.repository()
    found = await repository.list_jobs(owner, statuses=statuses, kind=kind, limit=limit + 1, after=after)
    return JobRows(found[:limit], encode_cursor(found[limit - 1]) if len(found) > limit else None)


async def load_details(state: AppState, job: VideoJob) -> Job:
    """The job with its events and costs."""
    repository = await state.services.repository()
    submissions, events = await repository.list_submissions(job.id), await repository.list_events(job.id)
    fields = {**dict(old_job_fields(state, job)), **dict(to_summary(job))}
    if await has_comparison_image(state, job):
        fields["downloads"] = [*fields["downloads"], "before_after"]
    return Job(
        **fields,
        queued_at=job.created_at,
        started_at=next((event.at for event in events if event.kind == JobEventKind.LEASE_ACQUIRED), None),
        costs=stage_costs(job, submissions),
        timeline=event_log(events),
    )


async def cancel_job(state: AppState, principal: Principal, job: VideoJob) -> VideoJob:
    """Stop the job's runs, which record the cancellation themselves; without a live run, record it here.

    Raises ApiError (409) for a job that has ended or is parked.
    """
    if not can_cancel(job):
        reason = "it waits for an operator" if job.parked_reason else f"it is {job.status}"
        raise ApiError(409, f"This job cannot be cancelled: {reason}.", code="not_cancellable")
    stopped_runs = await state.services.runs.stop(job)
    repository = await state.services.repository()
    if all(run.has_ended for run in stopped_runs):
        job = await repository.get_job(job.id)
        if job.lease_holder:
            run_id = parse_flow_run_id(job.lease_holder)
        else:
            run_id = next((run.run_id for run in stopped_runs), "none")
        message = cancellation_message(await repository.list_submissions(job.id))
        await repository.cancel(job.id, run_id, message, actor=principal.actor)
    return await repository.get_job(job.id)


async def retry_job(state: AppState, principal: Principal, job: VideoJob) -> None:
    """Start a run that continues from the failed stage. Raises ApiError (409) unless it failed or was cancelled."""
    if not can_retry(job):
        raise ApiError(409, "Only a failed or cancelled job can be retried.", code="not_retryable")
    await state.services.runs.retry(job, f"requested through the API by {principal.actor}")


async def revoke_links(state: AppState, principal: Principal, job: VideoJob) -> None:
    """Make all links to the result invalid that were given out so far."""
    await (await state.services.repository()).replace_link_key(job.id, actor=principal.actor)


async def sign_download(state: AppState, job: VideoJob, kind: FileKind, *, number: int, save: bool) -> str | None:
    """A fresh link to one of the job's files; None if there is no such file (yet).

    `number` is that of a slide, from 1 on. With `save`, browsers save the file instead of showing it.
    """
    location = object_key(job, kind, number) if kind in (*available_downloads(job), "before_after") else None
    if location is None:
        return None
    seconds = round(state.settings.download_url_ttl_minutes * 60)
    save_as = download_file_name(job, kind, location) if save else None
    return await presign_existing(await state.services.store(job), location, seconds, save_as=save_as)
