"""`/jobs`: the list, newest first, and one stream of what is new about its jobs."""

from collections.abc import Sequence
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse

from deployments.gateway.access import Caller, Reader
from deployments.gateway.front import Front, front_of
from deployments.gateway.pages.news import news_of
from deployments.gateway.pages.route import PageRoute
from deployments.gateway.pages.sight import STATES, Sight, Visitor
from deployments.gateway.pages.templating import page
from deployments.gateway.problems import Refused
from videojobs.ledger import VideoJob
from videojobs.ledger.listing import Place
from videojobs.states import Status

PAGE_SIZE: Final = 25
_FILTERS: Final = [("", "All"), *((status.value, STATES[status.value]) for status in Status)]

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
async def home() -> Response:
    return RedirectResponse("/jobs")
