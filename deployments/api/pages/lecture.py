"""`/submit/lecture`: a form with a lecture's video. It needs no script: it sends what the API accepts."""

from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from deployments.api.auth import Submitter
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import MAX_PROBLEMS, ApiError
from deployments.api.jobs.form_creation import create_job_from_form
from deployments.api.pages.job_card import CurrentUser
from deployments.api.pages.page_route import SEE_OTHER, PageRoute
from deployments.api.pages.templating import render_page
from deployments.api.uploads.form_receiver import JobForm
from videojobs.lecture.options import SpeechOptions
from videojobs.lecture.settings import HOUR, LectureSettings

LECTURE_FORM_PATH: Final = "/submit/lecture"
_INVALID_STATUS: Final = 422

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get(LECTURE_FORM_PATH)
async def show_form(request: Request, principal: Submitter) -> Response:
    return _render_form(request, principal)


@router.post(LECTURE_FORM_PATH)
async def submit_form(request: Request, principal: Submitter, state: AppStateDep) -> Response:
    """Redirect to the job's page, or show the form again with its problems."""
    try:
        created = await create_job_from_form(request, principal, state, None, JobForm.LECTURE)
    except ApiError as api_error:
        if api_error.status_code != _INVALID_STATUS:
            raise
        return _render_form(request, principal, api_error)
    return RedirectResponse(f"/jobs/{quote(created.job.id, safe='')}", SEE_OTHER)


def _render_form(request: Request, principal: Submitter, api_error: ApiError | None = None) -> Response:
    settings = LectureSettings.current()
    return render_page(
        request,
        "lecture.html",
        _INVALID_STATUS if api_error else 200,
        current_user=CurrentUser.from_principal(principal),
        active_page="lecture",
        problems=api_error.problems[:MAX_PROBLEMS] if api_error else (),
        hours=f"{settings.max_seconds / HOUR:g}",
        containers=", ".join(sorted(name.upper() for name in settings.containers)),
        without_speech=SpeechOptions.model_fields["without_speech"].description,
    )
