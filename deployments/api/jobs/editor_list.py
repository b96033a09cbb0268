"""Numbered pages of jobs, for the jobs page of the old editor."""

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import Query

from deployments.api.auth import Principal
from deployments.api.dependencies import AppState
from deployments.api.errors import validation_error
from deployments.api.schemas.editor import EditorJobs
from deployments.api.views.editor_view import to_editor_job
from videojobs.errors import FieldError, ProblemCode
from videojobs.states import JobKind, Status

DEFAULT_PAGE: Final = 1
DEFAULT_PAGE_SIZE: Final = 20  # as in the old system

PageNumber = Annotated[int | None, Query(ge=1, le=1_000_000, description="From 1 on; by default 1.")]
PageSize = Annotated[int | None, Query(ge=1, le=100, description="Jobs per page; by default 20.")]
StatusFilter = Annotated[Status | None, Query(description="Only jobs with this status.")]


def reject_mixed_parameters(by_cursor: Mapping[str, object], by_number: Mapping[str, object]) -> None:
    """The two lists are different answers. Raises ApiError (422) if parameters of both are given."""
    ours = next(name for name, value in by_number.items() if value is not None)
    message = f"belongs to the list by cursor and cannot be combined with {ours}; send only one kind of parameters"
    mixed = [name for name, value in by_cursor.items() if value is not None]
    if mixed:
        raise validation_error([FieldError(name, message, ProblemCode.UNKNOWN_FIELD) for name in mixed])


async def list_editor_jobs(
    state: AppState,
    principal: Principal,
    page: int | None,
    page_size: int | None,
    status_filter: Status | None,
) -> EditorJobs:
    """Videos, newest first; admins see all users' jobs."""
    page, page_size = page or DEFAULT_PAGE, page_size or DEFAULT_PAGE_SIZE
    repository = await state.services.repository()
    found, total = await repository.list_jobs_page(
        principal.owner,
        statuses=[status_filter] if status_filter else [],
        kind=JobKind.PRO_VIDEO,
        limit=page_size,
        offset=(page - 1) * page_size,
    )
    started = await repository.first_lease_times([job.id for job in found])
    rows = [to_editor_job(state, job, started.get(job.id)) for job in found]
    return EditorJobs(jobs=rows, total=total, page=page, page_size=page_size)
