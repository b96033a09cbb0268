"""A user's jobs: list, look, cancel, retry, download."""

import base64
import binascii
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse

from deployments.api.auth import JobId, Principal, Reader, Submitter, get_owned_job
from deployments.api.dependencies import AppState, AppStateDep
from deployments.api.errors import ApiError, error_responses, validation_error
from deployments.api.schemas.jobs import FileKind, Job, JobPage, JobStatusResponse, JobSummary
from deployments.api.views.job_view import (
    available_downloads,
    can_cancel,
    can_retry,
    event_log,
    stage_costs,
    to_summary,
)
from deployments.api.views.status import (
    build_status,
    download_file_name,
    has_comparison_image,
    object_key,
    presign_existing,
)
from tasks.runtime.cancellation import cancellation_message
from videojobs.db import VideoJob
from videojobs.db.queries import Cursor
from videojobs.db.repository_base import parse_flow_run_id
from videojobs.errors import FieldError
from videojobs.requests.models import ID_PATTERN
from videojobs.states import JobKind, Status

router = APIRouter(tags=["jobs"])

_JOB_ERRORS = error_responses(401, 403, 404, 429, 503)


@router.get(
    "/video-editors/pro-job/{job_id}/status", responses=_JOB_ERRORS, tags=["old clients"], summary="How a job stands"
)
async def get_legacy_status(job_id: JobId, principal: Reader, state: AppStateDep) -> JobStatusResponse:
    """The five fields that clients of the old system know."""
    return await build_status(state, await get_owned_job(state, principal, job_id))


@router.get("/jobs", responses=error_responses(401, 403, 422, 429, 503), summary="List jobs")
async def list_jobs(
    principal: Reader,
    state: AppStateDep,
    status: Annotated[Status | None, Query(description="Only jobs with this status.")] = None,
    kind: Annotated[JobKind | None, Query(description="Only jobs of this kind.")] = None,
    user: Annotated[str | None, Query(description="Of this user; for admins.", pattern=ID_PATTERN)] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 50,
    cursor: Annotated[str | None, Query(description="From `next_cursor` of the page before.", max_length=500)] = None,
) -> JobPage:
    """Newest first. An admin sees everybody's."""
    owner = resolve_owner(principal, user)
    after = decode_cursor(cursor) if cursor else None
    repository = await state.services.repository()
    statuses = [status] if status else []
    found = await repository.list_jobs(owner, statuses=statuses, kind=kind, limit=limit + 1, after=after)
    more = len(found) > limit
    return JobPage(
        jobs=[to_summary(job) for job in found[:limit]], next_cursor=encode_cursor(found[limit - 1]) if more else None
    )


@router.get("/jobs/{job_id}", responses=_JOB_ERRORS, summary="Look at a job")
async def get_job(job_id: JobId, principal: Reader, state: AppStateDep) -> Job:
    """With what happened to it, and what it costs."""
    found = await get_owned_job(state, principal, job_id)
    repository = await state.services.repository()
    submissions, events = await repository.list_submissions(found.id), await repository.list_events(found.id)
    fields = dict(to_summary(found))
    if await has_comparison_image(state, found):
        fields["downloads"] = [*fields["downloads"], "before_after"]
    return Job(**fields, costs=stage_costs(found, submissions), timeline=event_log(events))


@router.post(
    "/jobs/{job_id}/cancel",
    status_code=202,
    responses=error_responses(401, 403, 404, 409, 429, 503),
    summary="Cancel a job",
)
async def cancel_job(job_id: JobId, principal: Submitter, state: AppStateDep) -> JobSummary:
    """It stops at its next safe point, and then says what is paid for: no vendor can cancel."""
    found = await get_owned_job(state, principal, job_id)
    if not can_cancel(found):
        reason = "it waits for an operator" if found.parked_reason else f"it is {found.status}"
        raise ApiError(409, f"This job cannot be cancelled: {reason}.")
    return to_summary(await _cancel(state, principal, found))


async def _cancel(state: AppState, principal: Principal, job: VideoJob) -> VideoJob:
    """Its runs are told to stop, and record it themselves. Where none is at work, it is recorded here."""
    stopped_runs = await state.services.runs.stop(job)
    repository = await state.services.repository()
    if all(run.has_ended for run in stopped_runs):
        job = await repository.get_job(job.id)
        holder = (
            parse_flow_run_id(job.lease_holder)
            if job.lease_holder
            else next((run.run_id for run in stopped_runs), "none")
        )
        message = cancellation_message(await repository.list_submissions(job.id))
        await repository.cancel(job.id, holder, message, actor=principal.actor)
    return await repository.get_job(job.id)


@router.post(
    "/jobs/{job_id}/retry",
    status_code=202,
    responses=error_responses(401, 403, 404, 409, 429, 503),
    summary="Retry a job",
)
async def retry_job(job_id: JobId, principal: Submitter, state: AppStateDep) -> JobSummary:
    """From the failed stage: what is stored is kept, and no stage that was delivered is paid for again."""
    found = await get_owned_job(state, principal, job_id)
    if not can_retry(found):
        raise ApiError(409, "Only a job that has failed or was cancelled can be retried.")
    await state.services.runs.retry(found, f"asked for at the front door by {principal.actor}")
    return to_summary(found)


@router.get(
    "/jobs/{job_id}/download",
    status_code=307,
    response_class=RedirectResponse,
    responses={
        307: {"description": "The file, at a link that works for a while; ranges work there."},
        **error_responses(401, 403, 404, 422, 429, 503),
    },
    summary="Download a file of a job",
)
async def download_file(
    job_id: JobId,
    principal: Reader,
    state: AppStateDep,
    what: Annotated[FileKind, Query(description="Which file.")] = "result",
    save: Annotated[bool, Query(description="Browsers save it as a file, instead of playing it.")] = False,
    number: Annotated[int, Query(ge=1, le=1_000_000, description="Which slide of a lecture.")] = 1,
) -> RedirectResponse:
    """A link is signed for each request."""
    found = await get_owned_job(state, principal, job_id)
    location = object_key(found, what, number) if what in (*available_downloads(found), "before_after") else None
    seconds = round(state.settings.download_url_ttl_minutes * 60)
    save_as = download_file_name(found, what, location) if location and save else None
    url = (
        await presign_existing(await state.services.store(found), location, seconds, save_as=save_as)
        if location
        else None
    )
    if url is None:
        raise ApiError(404, "This job has no such file, or has none yet.")
    return RedirectResponse(url, 307)


# ---- cursors -----------------------------------------------------------------------------------------------


def resolve_owner(principal: Principal, user: str | None) -> str | None:
    """Whose jobs a list shows; None for everybody's. Raises a refusal."""
    if user is not None and user != principal.user_id and not principal.is_admin:
        raise ApiError(403, "This token shows its own user's jobs only.")
    return user or principal.owner


def encode_cursor(job: VideoJob) -> str:
    """To go on after this job."""
    return base64.urlsafe_b64encode(f"{job.created_at.isoformat()} {job.id}".encode()).decode()


def decode_cursor(cursor: str) -> Cursor:
    """Where the page before ended. Raises a refusal."""
    try:
        at, _, job_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition(" ")
        created_at = datetime.fromisoformat(at)
    except (ValueError, binascii.Error):
        raise _invalid_cursor() from None
    if created_at.tzinfo is None or not re.fullmatch(ID_PATTERN, job_id):
        raise _invalid_cursor()
    return Cursor(created_at, job_id)


def _invalid_cursor() -> ApiError:
    problems: Sequence[FieldError] = [FieldError("cursor", "is not one that a list gave; begin without it")]
    return validation_error(problems)
