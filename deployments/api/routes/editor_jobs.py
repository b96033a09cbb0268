"""The jobs page of the old editor: numbered pages of jobs, under the address with a slash."""

from fastapi import APIRouter

from deployments.api.auth import JobId, Reader, get_owned_job
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import error_responses
from deployments.api.jobs.editor_list import PageNumber, PageSize, StatusFilter, list_editor_jobs
from deployments.api.schemas.editor import EditorJobs, EditorJobStatus
from deployments.api.schemas.jobs import ProJobStatus
from deployments.api.views.editor_view import to_editor_status, to_pro_job_status

router = APIRouter(tags=["old clients"])


@router.get("/jobs/", responses=error_responses(401, 403, 422, 429, 503), summary="List jobs by page number")
async def list_jobs_by_number(
    principal: Reader,
    state: AppStateDep,
    page: PageNumber = None,
    page_size: PageSize = None,
    status_filter: StatusFilter = None,
) -> EditorJobs:
    """Videos, newest first; admins see all users' jobs. `GET /api/v1/jobs`, without the slash, lists by cursor."""
    return await list_editor_jobs(state, principal, page, page_size, status_filter)


@router.get(
    "/jobs/{job_id}/status", responses=error_responses(401, 403, 404, 429, 503), summary="Status of a job of the list"
)
async def get_editor_job_status(job_id: JobId, principal: Reader, state: AppStateDep) -> EditorJobStatus:
    """With the field names of the list."""
    return to_editor_status(state, await get_owned_job(state, principal, job_id))


@router.get(
    "/video-editors/pro-job/{job_id}/status",
    responses=error_responses(401, 403, 404, 429, 503),
    summary="Status of a job of the Pro editor",
)
async def get_pro_job_status(job_id: JobId, principal: Reader, state: AppStateDep) -> ProJobStatus:
    """The fields that clients of the old system know."""
    return to_pro_job_status(state, await get_owned_job(state, principal, job_id))
