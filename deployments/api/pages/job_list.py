"""`/jobs`: the list, newest first, and one stream of what is new about its jobs."""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from deployments.api.auth import Reader
from deployments.api.dependencies import AppStateDep
from deployments.api.pages.job_card import STATUS_LABELS, CurrentUser, JobCard
from deployments.api.pages.list_events import list_events
from deployments.api.pages.page_route import PageRoute
from deployments.api.pages.templating import render_page
from deployments.api.routes import jobs as api
from deployments.api.routes.events import event_stream_response
from deployments.api.schemas.jobs import JobPage
from videojobs.states import Status

PAGE_SIZE: Final = 25
_FILTERS: Final = [("", "All"), *((status.value, STATUS_LABELS[status.value]) for status in Status)]

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
async def redirect_home() -> Response:
    return RedirectResponse("/jobs")


@router.get("/jobs")
async def show_jobs(
    request: Request, principal: Reader, state: AppStateDep, status: str = "", user: str = "", cursor: str = ""
) -> Response:
    """All of one's own; an admin's are everybody's, or those of one user."""
    job_page = await _load_page(principal, state, status, user, cursor)
    return render_page(
        request,
        "jobs.html",
        current_user=CurrentUser.from_principal(principal),
        active_page="jobs",
        jobs=[JobCard.from_summary(job) for job in job_page.jobs],
        next_cursor=job_page.next_cursor,
        filters=_FILTERS,
        status=status,
        user=user,
        cursor=cursor,
        query=_query_builder(user),
    )


@router.get("/jobs/events")
async def stream_list_events(
    principal: Reader, state: AppStateDep, status: str = "", user: str = "", cursor: str = ""
) -> Response:
    """What is new about the jobs of the same page of the list."""
    job_page = await _load_page(principal, state, status, user, cursor)
    repository = await state.services.repository()
    rows = await repository.jobs_by_id([job.job_id for job in job_page.jobs])
    state.job_watcher.check_capacity()
    return event_stream_response(list_events(state, list(rows.values())))


async def _load_page(principal: Reader, state: AppStateDep, status: str, user: str, cursor: str) -> JobPage:
    status_filter = Status(status) if status in set(Status) else None
    return await api.list_jobs(
        principal, state, status=status_filter, user=user or None, limit=PAGE_SIZE, cursor=cursor or None
    )


def _query_builder(user: str) -> Callable[..., str]:
    """Queries of links within the list, which keep whose jobs are shown."""

    def query(**filters: str) -> str:
        parameters = {name: value for name, value in {**filters, "user": user}.items() if value}
        return f"?{urlencode(parameters)}" if parameters else ""

    return query
