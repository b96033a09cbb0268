"""`/submit`: the form for a new job, and the validation of drafts while it is filled in."""

from dataclasses import asdict, dataclass
from typing import Any, Final, get_args

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from deployments.api.auth import Submitter
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import to_field_problems
from deployments.api.pages.draft_validation import DraftJob, validate_draft
from deployments.api.pages.job_card import CurrentUser
from deployments.api.pages.page_route import PageRoute
from deployments.api.pages.templating import render_page, storage_origin
from deployments.api.request_body import read_json_as
from videojobs.requests.models import Options
from videojobs.settings import LimitSettings

router = APIRouter(include_in_schema=False)
page_router = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class OptionChoice:
    """One option of the request model."""

    name: str
    title: str
    description: str
    values: tuple[str, ...]
    default: str


OPTION_CHOICES: Final = [
    OptionChoice(name, str(field.title), str(field.description), get_args(field.annotation), field.default)
    for name, field in Options.model_fields.items()
]


@page_router.get("/submit")
async def show_submit_form(request: Request, principal: Submitter, state: AppStateDep) -> Response:
    video = f"{LimitSettings.current().max_video_seconds / 60:g} minutes"
    shown: dict[str, Any] = {"limits": {"video": video}, "options": [asdict(choice) for choice in OPTION_CHOICES]}
    storage = storage_origin(await state.services.store())
    return render_page(
        request,
        "submit.html",
        storage=storage,
        current_user=CurrentUser.from_principal(principal),
        active_page="submit",
        **shown,
    )


@router.post("/submit/check")
async def check_draft(request: Request, principal: Submitter) -> Response:
    """All problems of a draft that can be found before its files are sent."""
    found = validate_draft(await read_json_as(request, DraftJob), principal.user_id)
    return JSONResponse({"problems": to_field_problems(found)})
