"""`/jobs`: the list, newest first, and one stream of what is new about its jobs."""

from collections.abc import Callable
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from deployments.gateway import jobs as api
from deployments.gateway.access import Reader
from deployments.gateway.events import stream
from deployments.gateway.front import TheFront
from deployments.gateway.pages.news import news_of
from deployments.gateway.pages.route import PageRoute
from deployments.gateway.pages.sight import STATES, Sight, Visitor
from deployments.gateway.pages.templating import page
from deployments.gateway.shapes import JobPage
from videojobs.states import Status

PAGE_SIZE: Final = 25
_FILTERS: Final = [("", "All"), *((status.value, STATES[status.value]) for status in Status)]

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
async def home() -> Response:
    return RedirectResponse("/jobs")


@router.get("/jobs")
async def show(
    request: Request, who: Reader, front: TheFront, status: str = "", user: str = "", cursor: str = ""
) -> Response:
    """All of one's own; an admin's are everybody's, or those of one user."""
    found = await _found(who, front, status, user, cursor)
    return page(
        request,
        "jobs.html",
        person=Visitor.of(who),
        here="jobs",
        jobs=[Sight.of(job) for job in found.jobs],
        next_cursor=found.next_cursor,
        filters=_FILTERS,
        status=status,
        user=user,
        cursor=cursor,
        query=_addresses(user),
    )


@router.get("/jobs/events")
async def events(who: Reader, front: TheFront, status: str = "", user: str = "", cursor: str = "") -> Response:
    """What is new about the jobs of the same page of the list."""
    found = await _found(who, front, status, user, cursor)
    ledger = await front.backing.ledger()
    rows = await ledger.jobs_by_id([job.job_id for job in found.jobs])
    front.watch.check_room()
    return stream(news_of(front, list(rows.values())))


async def _found(who: Reader, front: TheFront, status: str, user: str, cursor: str) -> JobPage:
    wanted = Status(status) if status in set(Status) else None
    return await api.jobs(who, front, status=wanted, user=user or None, limit=PAGE_SIZE, cursor=cursor or None)


def _addresses(user: str) -> Callable[..., str]:
    """Queries of links within the list, which keep whose jobs are shown."""

    def query(**wanted: str) -> str:
        given = {name: value for name, value in {**wanted, "user": user}.items() if value}
        return f"?{urlencode(given)}" if given else ""

    return query
