"""`/jobs/{id}`: how a job stands, what happened, what it costs, its videos, and what can be done about it."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from deployments.gateway import jobs as api
from deployments.gateway.access import JobId, Reader, Submitter, owned
from deployments.gateway.front import TheFront
from deployments.gateway.pages.notes import Note, note_on
from deployments.gateway.pages.route import SEE_OTHER, PageRoute
from deployments.gateway.pages.sight import Sight, Visitor, lines, pieces, prices
from deployments.gateway.pages.templating import origin_of, page
from deployments.gateway.shapes import Job, What
from videojobs.ledger import VideoJob
from videojobs.states import UNFINISHED, Status

Asked = Literal["cancel", "retry"]
_BUTTONS: Final[dict[What, str]] = {"result": "Download", "lip_sync": "Download (lip-sync only)"}
_ASKED: Final[dict[Asked, Note]] = {
    "cancel": Note("wait", "The job stops", ["It stops at its next safe point, and then says what is paid for."]),
    "retry": Note("plain", "The job goes on", ["As soon as a worker takes it up; no step is paid for twice."]),
}
_PICTURE_TAKES: Final = timedelta(minutes=1)

router = APIRouter(prefix="/jobs/{job_id}", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def show(job_id: JobId, request: Request, who: Reader, front: TheFront, asked: Asked | None = None) -> Response:
    """`asked` is what a button has just asked for, and may not have happened yet."""
    row, job = await owned(front, who, job_id), await api.job(job_id, who, front)
    note = note_on(job, for_admin=who.is_admin)
    return page(
        request,
        "job.html",
        storage=origin_of(await front.backing.store(row)),
        person=Visitor.of(who),
        here="jobs",
        job=Sight.of(job),
        is_live=asked is not None or job.status in UNFINISHED,
        asked=_ASKED[asked] if asked else None,
        note=note,
        timeline=lines(job.timeline),
        costs=prices(job.costs),
        segments=row.segments_data["total_segments"],
        areas=len(row.processing_config["effects"]),
        can_cancel=job.can_cancel,
        can_retry=job.can_retry,
        picture=_picture(job),
        **_media(row, job),
    )


def _picture(job: Job) -> Literal["there", "soon", "none"]:
    """The before/after picture is made when the job is completed already, in a second or two; or it cannot be made."""
    if "before_after" in job.downloads:
        return "there"
    is_fresh = job.completed_at is not None and datetime.now(UTC) - job.completed_at < _PICTURE_TAKES
    return "soon" if is_fresh and job.status == Status.COMPLETED else "none"


def _media(row: VideoJob, job: Job) -> dict[str, Any]:
    """What there is to see and to download. Without areas the lip-sync result is the result."""
    there = set(job.downloads)
    after = next((what for what in _BUTTONS if what in there), None)
    hidden = {"lip_sync"} if "result" in there and not row.request.get("effects") else set()
    return {
        "downloads": [(what, words) for what, words in _BUTTONS.items() if what in there - hidden],
        "before": "source" if "source" in there else None,
        "after": after,
        "pieces": pieces(row) if after else [],
    }


@router.post("/cancel")
async def cancel(job_id: JobId, who: Submitter, front: TheFront) -> Response:
    """The button; the page then shows what comes of it."""
    await api.cancel(job_id, who, front)
    return _back_to(job_id, "cancel")


@router.post("/retry")
async def retry(job_id: JobId, who: Submitter, front: TheFront) -> Response:
    """The button; the page then shows what comes of it."""
    await api.retry(job_id, who, front)
    return _back_to(job_id, "retry")


def _back_to(job_id: str, asked: Asked) -> Response:
    return RedirectResponse(f"/jobs/{quote(job_id, safe='')}?asked={asked}", SEE_OTHER)
