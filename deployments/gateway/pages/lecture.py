"""`/submit/lecture`: a form with a lecture's video. It needs no script: what it sends is what the API takes."""

from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from deployments.gateway.access import Submitter
from deployments.gateway.front import TheFront
from deployments.gateway.lectures import taken_in
from deployments.gateway.pages.route import SEE_OTHER, PageRoute
from deployments.gateway.pages.sight import Visitor
from deployments.gateway.pages.templating import page
from deployments.gateway.problems import Refused
from videojobs.lecture.options import SpeechOptions
from videojobs.lecture.settings import HOUR, LectureSettings

LECTURE_FORM: Final = "/submit/lecture"
_REFUSED: Final = 422

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get(LECTURE_FORM)
async def show(request: Request, who: Submitter) -> Response:
    return _form(request, who)


@router.post(LECTURE_FORM)
async def send(request: Request, who: Submitter, front: TheFront) -> Response:
    """On to the job's page; or the form again, with what to mend."""
    try:
        job = await taken_in(request, who, front, None)
    except Refused as refused:
        if refused.status_code != _REFUSED:
            raise
        return _form(request, who, refused)
    return RedirectResponse(f"/jobs/{quote(job.id, safe='')}", SEE_OTHER)


def _form(request: Request, who: Submitter, refused: Refused | None = None) -> Response:
    settings = LectureSettings()
    return page(
        request,
        "lecture.html",
        _REFUSED if refused else 200,
        person=Visitor.of(who),
        here="lecture",
        problems=refused.problems if refused else (),
        hours=f"{settings.max_seconds / HOUR:g}",
        containers=", ".join(sorted(name.upper() for name in settings.containers)),
        without_speech=SpeechOptions.model_fields["without_speech"].description,
    )
