"""Jobs as the jobs page of the old editor shows them."""

from datetime import UTC, datetime
from pathlib import PurePath
from urllib.parse import urlsplit

from deployments.api.dependencies import AppState
from deployments.api.result_links import result_link
from deployments.api.schemas.editor import EditorJob, EditorJobStatus, OldJobFields
from deployments.api.schemas.jobs import ProJobStatus
from deployments.api.views.job_view import readable_facts, status_message
from deployments.api.views.status import build_status
from videojobs.db import VideoJob
from videojobs.states import Status


def old_job_fields(state: AppState, job: VideoJob) -> OldJobFields:
    """The fields whose names the old system determines."""
    video = readable_facts(job).video
    return OldJobFields(
        id=job.id,
        is_pro_job=job.is_pro_job and bool(job.segments_data.get("total_segments")),  # made by the Pro editor
        original_filename=job.source_file_name or _address_file_name(job),
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
        output_url=result_link(state, job),
    )


def to_editor_job(state: AppState, job: VideoJob, started_at: datetime | None) -> EditorJob:
    """A row of the page."""
    return EditorJob(
        **dict(old_job_fields(state, job)),
        user_id=job.user_id,
        display_name=job.display_name,
        status=Status(job.status),
        progress=job.progress_percentage,
        created_at=_format_naive_utc(job.created_at),
        queued_at=_format_naive_utc(job.created_at),
        started_at=started_at and _format_naive_utc(started_at),
        completed_at=job.completed_at and _format_naive_utc(job.completed_at),
    )


def to_editor_status(state: AppState, job: VideoJob) -> EditorJobStatus:
    return EditorJobStatus(
        id=job.id,
        status=Status(job.status),
        progress_percentage=job.progress_percentage,
        progress_message=status_message(job),
        error_message=job.error_message,
        download_url=result_link(state, job),
    )


def to_pro_job_status(state: AppState, job: VideoJob) -> ProJobStatus:
    """The five status fields of the old system, and its three further ones."""
    return ProJobStatus(
        **dict(build_status(state, job)),
        segments_data=job.segments_data,
        created_at=_format_naive_utc(job.created_at),
        completed_at=job.completed_at and _format_naive_utc(job.completed_at),
    )


def _address_file_name(job: VideoJob) -> str | None:
    """The file name in the video's address, without its query, which may carry a signature."""
    return PurePath(urlsplit(job.request.get("video", "")).path).name or None


def _format_naive_utc(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
