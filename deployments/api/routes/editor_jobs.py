"""The jobs page of the old editor: it asks for a page of the list by its number, under the address with a slash."""

from datetime import UTC, datetime
from pathlib import PurePath
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from deployments.api.auth import JobId, Reader, get_owned_job
from deployments.api.dependencies import AppState, AppStateDep
from deployments.api.errors import error_responses
from deployments.api.views.job_view import status_message
from deployments.api.views.status import presign_output
from videojobs.db import VideoJob
from videojobs.states import JobKind, Status

router = APIRouter(tags=["old clients"])


class EditorJob(BaseModel):
    """A job as a row of the old editor's page. Times are UTC, without a zone, as that page expects them."""

    id: str
    user_id: str
    display_name: str | None
    original_filename: str | None = Field(description="What the source is called; the old system kept another name.")
    is_pro_job: bool
    status: Status
    progress: int = Field(ge=0, le=100)
    progress_percentage: int = Field(ge=0, le=100)
    progress_message: str
    error_message: str | None
    segments_data: dict[str, Any] = Field(examples=[{"total_segments": 2, "segments": []}])
    processing_config: dict[str, Any]
    file_size: int | None = Field(description="Bytes of the source, once it is checked.")
    duration: int | None = Field(description="Whole seconds of the source, once it is checked.")
    video_duration_seconds: float | None
    video_resolution: str | None = Field(examples=["1920x1080"])
    credits_used: float | None = Field(description="There are no credits here: null.")
    estimated_credits: float | None
    actual_credits_used: float | None
    created_at: str = Field(examples=["2026-01-31T09:30:00.123456"])
    queued_at: str
    started_at: str | None = Field(description="Not kept by the list: null.")
    completed_at: str | None
    output_url: str | None = Field(
        description="A link to the finished video that needs no token. It ends with `#`, so that the page may put "
        "`?download=1` behind it: a query would break the link's signature, and what follows a `#` is not sent."
    )


class EditorJobs(BaseModel):
    """A page of the list."""

    jobs: list[EditorJob]
    total: int = Field(description="How many there are on all pages.")
    page: int
    page_size: int


class EditorJobStatus(BaseModel):
    """How a job of the list stands."""

    id: str
    status: Status
    progress_percentage: int = Field(ge=0, le=100)
    progress_message: str
    error_message: str | None
    download_url: str | None = Field(description="As `output_url` of the list.")


@router.get("/jobs/", responses=error_responses(401, 403, 422, 429, 503), summary="List jobs by the number of a page")
async def list_editor_jobs(
    principal: Reader,
    state: AppStateDep,
    page: Annotated[int, Query(ge=1, le=1_000_000, description="From 1 on.")] = 1,
    page_size: Annotated[int, Query(ge=1, le=100, description="How many jobs a page has.")] = 20,
    status_filter: Annotated[Status | None, Query(description="Only jobs with this status.")] = None,
) -> EditorJobs:
    """Videos, newest first; an admin sees everybody's. `GET /api/v1/jobs`, without the slash, lists by a cursor."""
    repository = await state.services.repository()
    found, total = await repository.list_jobs_page(
        principal.owner,
        statuses=[status_filter] if status_filter else [],
        kind=JobKind.PRO_VIDEO,
        limit=page_size,
        offset=(page - 1) * page_size,
    )
    return EditorJobs(
        jobs=[await _to_editor_job(state, job) for job in found], total=total, page=page, page_size=page_size
    )


@router.get(
    "/jobs/{job_id}/status", responses=error_responses(401, 403, 404, 429, 503), summary="How a job of the list stands"
)
async def get_editor_job_status(job_id: JobId, principal: Reader, state: AppStateDep) -> EditorJobStatus:
    """Under the names of the list."""
    job = await get_owned_job(state, principal, job_id)
    return EditorJobStatus(
        id=job.id,
        status=Status(job.status),
        progress_percentage=job.progress_percentage,
        progress_message=status_message(job),
        error_message=job.error_message,
        download_url=await _output_url(state, job),
    )


async def _to_editor_job(state: AppState, job: VideoJob) -> EditorJob:
    video = job.facts.video
    return EditorJob(
        id=job.id,
        user_id=job.user_id,
        display_name=job.display_name,
        original_filename=PurePath(urlsplit(job.request.get("video", "")).path).name or None,
        is_pro_job=job.is_pro_job,
        status=Status(job.status),
        progress=job.progress_percentage,
        progress_percentage=job.progress_percentage,
        progress_message=job.progress_message,
        error_message=job.error_message,
        segments_data=job.segments_data,
        processing_config=job.processing_config,
        file_size=video and video.size,
        duration=video and round(video.duration),
        video_duration_seconds=video and video.duration,
        video_resolution=video and f"{video.width}x{video.height}",
        credits_used=None,
        estimated_credits=None,
        actual_credits_used=None,
        created_at=_format_naive_utc(job.created_at),
        queued_at=_format_naive_utc(job.created_at),
        started_at=None,
        completed_at=job.completed_at and _format_naive_utc(job.completed_at),
        output_url=await _output_url(state, job),
    )


async def _output_url(state: AppState, job: VideoJob) -> str | None:
    url = await presign_output(state, job)
    return url and f"{url}#"


def _format_naive_utc(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
