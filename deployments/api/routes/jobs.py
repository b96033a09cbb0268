"""A user's jobs: list, show, cancel, retry, download."""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse

from deployments.api.auth import JobId, Reader, Submitter, get_owned_job
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import ApiError, error_responses
from deployments.api.jobs import management
from deployments.api.jobs.editor_list import (
    PageNumber,
    PageSize,
    StatusFilter,
    list_editor_jobs,
    reject_mixed_parameters,
)
from deployments.api.schemas.editor import EditorJobs
from deployments.api.schemas.jobs import FileKind, Job, JobPage, JobSummary
from deployments.api.views.job_view import to_summary
from videojobs.requests.models import ID_PATTERN
from videojobs.states import JobKind, Status

router = APIRouter(tags=["jobs"])

_JOB_ERRORS = error_responses(401, 403, 404, 429, 503)
_DEFAULT_LIMIT: Final = 50  # jobs


@router.get("/jobs", responses=error_responses(401, 403, 422, 429, 503), summary="List jobs")
async def list_jobs(
    principal: Reader,
    state: AppStateDep,
    status: Annotated[Status | None, Query(description="Only jobs with this status.")] = None,
    kind: Annotated[JobKind | None, Query(description="Only jobs of this kind.")] = None,
    user: Annotated[str | None, Query(description="Of this user; for admins.", pattern=ID_PATTERN)] = None,
    limit: Annotated[int | None, Query(ge=1, le=200, description="Maximum number of jobs; by default 50.")] = None,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the previous page.", max_length=500)] = None,
    page: PageNumber = None,
    page_size: PageSize = None,
    status_filter: StatusFilter = None,
) -> JobPage | EditorJobs:
    """Newest first. Admins see the jobs of all users. With `page`, `page_size` or `status_filter`, the answer is that
    of `GET /api/v1/jobs/`, for clients of the old system; these cannot be combined with the other parameters."""
    by_number = {"page": page, "page_size": page_size, "status_filter": status_filter}
    if any(value is not None for value in by_number.values()):
        by_cursor = {"status": status, "kind": kind, "user": user, "limit": limit, "cursor": cursor}
        reject_mixed_parameters(by_cursor, by_number)
        return await list_editor_jobs(state, principal, page, page_size, status_filter)
    statuses = [status] if status else []
    found = await management.list_jobs(
        state, principal, statuses=statuses, kind=kind, user=user, limit=limit or _DEFAULT_LIMIT, cursor=cursor
    )
    return JobPage(jobs=[to_summary(job) for job in found.jobs], next_cursor=found.next_cursor)


@router.get("/jobs/{job_id}", responses=_JOB_ERRORS, summary="Show a job")
async def get_job(job_id: JobId, principal: Reader, state: AppStateDep) -> Job:
    """With its events and costs."""
    return await management.load_details(state, await get_owned_job(state, principal, job_id))


@router.post(
    "/jobs/{job_id}/cancel",
    status_code=202,
    responses=error_responses(401, 403, 404, 409, 429, 503),
    summary="Cancel a job",
)
async def cancel_job(job_id: JobId, principal: Submitter, state: AppStateDep) -> JobSummary:
    """The job stops at its next safe point and reports what is paid for. Vendors cannot cancel."""
    job = await get_owned_job(state, principal, job_id)
    return to_summary(await management.cancel_job(state, principal, job))


@router.post(
    "/jobs/{job_id}/retry",
    status_code=202,
    responses=error_responses(401, 403, 404, 409, 429, 503),
    summary="Retry a job",
)
async def retry_job(job_id: JobId, principal: Submitter, state: AppStateDep) -> JobSummary:
    """Continues from the failed stage. Stored results are kept, and no delivered stage is paid for again."""
    job = await get_owned_job(state, principal, job_id)
    await management.retry_job(state, principal, job)
    return to_summary(job)


@router.get(
    "/jobs/{job_id}/download",
    status_code=307,
    response_class=RedirectResponse,
    responses={
        307: {"description": "A link to the file. It expires, and supports range requests."},
        **error_responses(401, 403, 404, 422, 429, 503),
    },
    summary="Download a file of a job",
)
async def download_file(
    job_id: JobId,
    principal: Reader,
    state: AppStateDep,
    what: Annotated[FileKind, Query(description="Which file.")] = "result",
    save: Annotated[bool, Query(description="Let browsers save the file instead of playing it.")] = False,
    number: Annotated[int, Query(ge=1, le=1_000_000, description="Which slide of a lecture.")] = 1,
) -> RedirectResponse:
    """Each request gets a fresh link."""
    job = await get_owned_job(state, principal, job_id)
    url = await management.sign_download(state, job, what, number=number, save=save)
    if url is None:
        raise ApiError(404, "This job does not have this file (yet).")
    return RedirectResponse(url, 307)
