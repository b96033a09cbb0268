"""The jobs page of the old editor: numbered pages of jobs, under the address with a slash."""

from typing import Annotated

from fastapi import APIRouter, Query

from deployments.api.auth import JobId, Reader, get_owned_job
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import error_responses
from deployments.api.schemas.editor import EditorJobs, EditorJobStatus
from deployments.api.views.editor_view import to_editor_job, to_editor_status
from videojobs.states import JobKind, Status

router = APIRouter(tags=["old clients"])


@router.get("/jobs/", responses=error_responses(401, 403, 422, 429, 503), summary="List jobs by page number")
async def list_editor_jobs(
    principal: Reader,
    state: AppStateDep,
    page: Annotated[int, Query(ge=1, le=1_000_000, description="From 1 on.")] = 1,
    page_size: Annotated[int, Query(ge=1, le=100, description="Jobs per page.")] = 20,
    status_filter: Annotated[Status | None, Query(description="Only jobs with this status.")] = None,
) -> EditorJobs:
    """Videos, newest first; admins see all users' jobs. `GET /api/v1/jobs`, without the slash, lists by cursor."""
    repository = await state.services.repository()
    found, total = await repository.list_jobs_page(
        principal.owner,
        statuses=[status_filter] if status_filter else [],
        kind=JobKind.PRO_VIDEO,
        limit=page_size,
        offset=(page - 1) * page_size,
    )
    return EditorJobs(
        jobs=[await to_editor_job(state, job) for job in found], total=total, page=page, page_size=page_size
    )


@router.get(
    "/jobs/{job_id}/status", responses=error_responses(401, 403, 404, 429, 503), summary="Status of a job of the list"
)
async def get_editor_job_status(job_id: JobId, principal: Reader, state: AppStateDep) -> EditorJobStatus:
    """With the field names of the list."""
    return await to_editor_status(state, await get_owned_job(state, principal, job_id))
