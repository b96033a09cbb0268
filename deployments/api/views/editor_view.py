"""Jobs as the jobs page of the old editor shows them."""

from datetime import UTC, datetime
from pathlib import PurePath
from urllib.parse import urlsplit

from deployments.api.dependencies import AppState
from deployments.api.schemas.editor import EditorJob, EditorJobStatus
from deployments.api.views.job_view import readable_facts, status_message
from deployments.api.views.status import presign_output
from videojobs.db import VideoJob
from videojobs.states import Status


async def to_editor_job(state: AppState, job: VideoJob) -> EditorJob:
    video = readable_facts(job).video
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


async def to_editor_status(state: AppState, job: VideoJob) -> EditorJobStatus:
    return EditorJobStatus(
        id=job.id,
        status=Status(job.status),
        progress_percentage=job.progress_percentage,
        progress_message=status_message(job),
        error_message=job.error_message,
        download_url=await _output_url(state, job),
    )


async def _output_url(state: AppState, job: VideoJob) -> str | None:
    url = await presign_output(state, job)
    return url and f"{url}#"  # `EditorJob.output_url` says why


def _format_naive_utc(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
