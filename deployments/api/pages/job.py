"""`/jobs/{id}`: status, events, costs and videos of a job, and the actions that are possible."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from deployments.api.auth import JobId, Reader, Submitter, get_owned_job
from deployments.api.dependencies import AppStateDep
from deployments.api.jobs.management import cancel_job, load_details, retry_job, revoke_links
from deployments.api.pages.job_card import CurrentUser, JobCard, event_lines, price_rows, timeline_pieces
from deployments.api.pages.page_route import SEE_OTHER, PageRoute
from deployments.api.pages.status_notes import StatusNote, build_status_note
from deployments.api.pages.templating import render_page, storage_origin
from deployments.api.schemas.jobs import FileKind, Job
from deployments.api.views.job_view import readable_facts
from videojobs.db import VideoJob
from videojobs.states import UNFINISHED_STATUSES, JobKind, Status

RequestedAction = Literal["cancel", "retry", "revoke-links"]
_DOWNLOAD_LABELS: Final[dict[FileKind, str]] = {"result": "Download", "lip_sync": "Download (lip-sync only)"}
_LECTURE_DOWNLOAD_LABELS: Final[dict[FileKind, str]] = {
    "pdf": "PDF",
    "srt": "Subtitles (SRT)",
    "vtt": "Subtitles (VTT)",
    "slides": "Slides (ZIP)",
    "times": "Times (JSON)",
}
_ACTION_NOTES: Final[dict[RequestedAction, StatusNote]] = {
    "cancel": StatusNote(
        "wait", "The job is stopping", ["It stops at its next safe point, and then shows what is paid for."]
    ),
    "retry": StatusNote(
        "plain", "The job continues", ["It continues once a worker is free; no step is paid for twice."]
    ),
    "revoke-links": StatusNote(
        "plain", "Links revoked", ["Links to the result that were copied before no longer work. The new one does."]
    ),
}
_UNKNOWN: Final = "unknown: the request was rejected"
_COMPARISON_DELAY: Final = timedelta(minutes=1)

router = APIRouter(prefix="/jobs/{job_id}", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def show_job(
    job_id: JobId, request: Request, principal: Reader, state: AppStateDep, requested: RequestedAction | None = None
) -> Response:
    """`requested` is the action that a button has just requested; it may not have taken effect yet."""
    row = await get_owned_job(state, principal, job_id)
    job = await load_details(state, row)
    note = build_status_note(job, for_admin=principal.is_admin)
    return render_page(
        request,
        "job.html",
        storage=storage_origin(await state.services.store(row)),
        current_user=CurrentUser.from_principal(principal),
        active_page="jobs",
        job=JobCard.from_summary(job),
        is_live=requested in ("cancel", "retry") or job.status in UNFINISHED_STATUSES,
        action_note=_ACTION_NOTES[requested] if requested else None,
        status_note=note,
        timeline=event_lines(job.timeline),
        costs=price_rows(job.costs),
        segments=_segments_label(row),
        areas=_areas_label(row),
        slides=readable_facts(row).slides,
        can_cancel=job.can_cancel,
        can_retry=job.can_retry,
        result_link=job.output_url,
        result_link_days=f"{state.settings.result_link_days:g}",
        picture=_comparison_state(job),
        **_media_context(row, job),
    )


def _segments_label(row: VideoJob) -> str:
    if count := row.segments_data["total_segments"]:
        return str(count)
    if not row.stages:
        return _UNKNOWN
    return "none: one audio file for the whole video" if row.has_lip_sync else "none: text removal only"


def _areas_label(row: VideoJob) -> str:
    count = len(row.processing_config["effects"])
    if not row.stages:
        return _UNKNOWN
    if not row.has_text_removal:
        return "none: lip-sync only"
    if not row.video_request.removes_whole_frame:
        return str(count)
    return f"the whole picture, except {count} protected" if count else "the whole picture"


def _comparison_state(job: Job) -> Literal["there", "soon", "none"]:
    """The before/after picture follows a second or two after completion, unless it cannot be made."""
    if "before_after" in job.downloads:
        return "there"
    is_fresh = job.completed_at is not None and datetime.now(UTC) - job.completed_at < _COMPARISON_DELAY
    has_one = job.status is Status.COMPLETED and job.kind is JobKind.PRO_VIDEO
    return "soon" if is_fresh and has_one else "none"


def _media_context(row: VideoJob, job: Job) -> dict[str, Any]:
    """Videos and downloads. Without areas, the lip-sync result is the final result."""
    available = set(job.downloads)
    buttons = _LECTURE_DOWNLOAD_LABELS if row.kind is JobKind.LECTURE else _DOWNLOAD_LABELS
    after = next((what for what in _DOWNLOAD_LABELS if what in available), None)
    hidden = {"lip_sync"} if "result" in available and not row.has_text_removal else set()
    return {
        "downloads": [(what, words) for what, words in buttons.items() if what in available - hidden],
        "before": "source" if "source" in available else None,
        "after": after,
        "pieces": timeline_pieces(row) if after else [],
    }


@router.post("/cancel")
async def cancel_and_redirect(job_id: JobId, principal: Submitter, state: AppStateDep) -> Response:
    """The Cancel button."""
    await cancel_job(state, principal, await get_owned_job(state, principal, job_id))
    return _redirect_to_job(job_id, "cancel")


@router.post("/retry")
async def retry_and_redirect(job_id: JobId, principal: Submitter, state: AppStateDep) -> Response:
    """The Retry button."""
    await retry_job(state, principal, await get_owned_job(state, principal, job_id))
    return _redirect_to_job(job_id, "retry")


@router.post("/revoke-links")
async def revoke_links_and_redirect(job_id: JobId, principal: Submitter, state: AppStateDep) -> Response:
    """The Revoke button."""
    await revoke_links(state, principal, await get_owned_job(state, principal, job_id))
    return _redirect_to_job(job_id, "revoke-links")


def _redirect_to_job(job_id: str, action: RequestedAction) -> Response:
    return RedirectResponse(f"/jobs/{quote(job_id, safe='')}?requested={action}", SEE_OTHER)
