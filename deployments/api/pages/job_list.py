"""`/jobs`: the list, newest first, and one event stream for its jobs."""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from deployments.api.auth import Principal, Reader
from deployments.api.dependencies import AppState, AppStateDep
from deployments.api.event_streams import event_stream_response
from deployments.api.jobs.management import JobRows, list_jobs
from deployments.api.pages.job_card import STATUS_LABELS, CurrentUser, JobCard
from deployments.api.pages.job_list_stream import stream_job_list
from deployments.api.pages.page_route import PageRoute
from deployments.api.pages.templating import render_page
from deployments.api.views.job_view import to_summary
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
    """The user's own jobs; for admins all jobs, or those of one user."""
    found = await _load_page(principal, state, status, user, cursor)
    return render_page(
        request,
        "jobs.html",
        current_user=CurrentUser.from_principal(principal),
        active_page="jobs",
        jobs=[JobCard.from_summary(to_summary(job)) for job in found.jobs],
        next_cursor=found.next_cursor,
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
    """Progress of the jobs on the same page of the list."""
    found = await _load_page(principal, state, status, user, cursor)
    state.job_watcher.check_capacity()
    return event_stream_response(stream_job_list(state, found.jobs))


async def _load_page(principal: Principal, state: AppState, status: str, user: str, cursor: str) -> JobRows:
    statuses = [Status(status)] if status in set(Status) else []
    return await list_jobs(
        state, principal, statuses=statuses, user=user or None, limit=PAGE_SIZE, cursor=cursor or None
    )


def _query_builder(user: str) -> Callable[..., str]:
    """Builds the query strings of links in the list; they keep the user filter."""

    def query(**filters: str) -> str:
        parameters = {name: value for name, value in {**filters, "user": user}.items() if value}
        return f"?{urlencode(parameters)}" if parameters else ""

    return query
