"""`/submit`: where a job is put together, and the rules that are asked meanwhile."""

from dataclasses import asdict, dataclass
from typing import Any, Final, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from deployments.gateway.access import Submitter
from deployments.gateway.asking import json_as
from deployments.gateway.front import TheFront
from deployments.gateway.pages.check import Draft, problems_of
from deployments.gateway.pages.route import PageRoute
from deployments.gateway.pages.sight import Visitor
from deployments.gateway.pages.templating import origin_of, page
from deployments.gateway.problems import told
from videojobs.request import Options
from videojobs.settings import Limits

router = APIRouter(include_in_schema=False)
pages = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the vendors' options, as the request model describes it."""

    name: str
    title: str
    description: str
    values: tuple[str, ...]
    default: str


CHOICES: Final = [
    Choice(name, str(field.title), str(field.description), get_args(field.annotation), field.default)
    for name, field in Options.model_fields.items()
]


@pages.get("/submit")
async def submit(request: Request, who: Submitter, front: TheFront) -> Response:
    video = f"{Limits().max_video_seconds / 60:g} minutes"
    shown: dict[str, Any] = {"limits": {"video": video}, "options": [asdict(choice) for choice in CHOICES]}
    storage = origin_of(await front.backing.store())
    return page(request, "submit.html", storage=storage, person=Visitor.of(who), here="submit", **shown)


@router.post("/submit/check")
async def check(request: Request, who: Submitter) -> Response:
    """What is wrong with a draft, by all that is known before its files are sent."""
    found = problems_of(await json_as(request, Draft), who.user_id)
    return JSONResponse({"problems": told(found)})
