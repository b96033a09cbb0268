"""The status responses, and signed links to a job's files."""

import asyncio
import re
from pathlib import PurePath
from typing import Final

from deployments.api.dependencies import AppState
from deployments.api.result_links import result_link
from deployments.api.schemas.jobs import FileKind, JobCreated, JobStatusResponse
from deployments.api.views.job_view import legacy_status, readable_facts, status_message
from videojobs.db import VideoJob
from videojobs.states import JobKind, Status
from videojobs.storage.object_store import (
    ObjectStore,
    comparison_image_key,
    lecture_key,
    lip_sync_result_key,
    result_key,
)

_LECTURE_FILES: Final = {
    "pdf": "lecture.pdf",
    "srt": "subtitles.srt",
    "vtt": "subtitles.vtt",
    "times": "times.json",
    "slides": "slides.zip",
}


def object_key(job: VideoJob, file_kind: FileKind, number: int = 1) -> str | None:
    """The key or `s3://` URI of a file; None if it does not exist yet. `number` is that of a slide."""
    match file_kind:
        case "slide":
            return lecture_key(job.user_id, job.id, f"slide-{number:04}.png")
        case "pdf" | "srt" | "vtt" | "times" | "slides":
            return lecture_key(job.user_id, job.id, _LECTURE_FILES[file_kind])
        case "source":
            inputs = readable_facts(job).inputs
            return inputs.video if inputs else None
        case "lip_sync":
            return lip_sync_result_key(job.user_id, job.id)
        case "before_after":
            return comparison_image_key(job.user_id, job.id)
        case _:
            return result_key(job.user_id, job.id)


async def presign_existing(
    store: ObjectStore, location: str, seconds: int, *, save_as: str | None = None
) -> str | None:
    """A link to an object, valid for `seconds`; None if it does not exist. `location` is a key or an `s3://` URI."""
    owner, key = store.resolve_uri(location) if location.startswith("s3://") else (store, location)
    if await asyncio.to_thread(owner.head, key) is None:
        return None
    return owner.presign(key, seconds, download_name=save_as)


async def has_comparison_image(state: AppState, job: VideoJob) -> bool:
    """Whether there is a before/after picture. It is made last, and not for every video."""
    if job.status != Status.COMPLETED or job.kind is JobKind.LECTURE:
        return False
    store = await state.services.store(job)
    return await asyncio.to_thread(store.head, comparison_image_key(job.user_id, job.id)) is not None


def download_file_name(job: VideoJob, file_kind: FileKind, location: str) -> str:
    """The name under which a browser saves a file: the job's name, as far as it is safe in a header."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", job.display_name or "").strip("-._")[:80] or job.id
    suffix = PurePath(location).stem if file_kind == "slide" else file_kind.replace("_", "-")
    return f"{name}-{suffix}{PurePath(location).suffix}"


async def presign_output(state: AppState, job: VideoJob, *, save: bool) -> str | None:
    """A fresh storage link to the result, or to the fallback result; None before there is one, or if it was deleted."""
    if job.output_url is None:
        return None
    file_kind: FileKind = "lip_sync" if job.status == Status.FAILED else "result"
    save_as = download_file_name(job, file_kind, job.output_url) if save else None
    seconds = round(state.settings.download_url_ttl_minutes * 60)
    return await presign_existing(await state.services.store(job), job.output_url, seconds, save_as=save_as)


def build_status(state: AppState, job: VideoJob) -> JobStatusResponse:
    """The five status fields of the old system."""
    return JobStatusResponse(
        job_id=job.id,
        status=legacy_status(job),
        progress=job.progress_percentage,
        message=status_message(job),
        output_url=result_link(state, job),
    )


def submission_response(state: AppState, job: VideoJob) -> JobCreated:
    """The response to a request that created a job."""
    status = build_status(state, job)
    return JobCreated(
        **status.model_dump(),
        status_url=f"/api/v1/video-editors/pro-job/{job.id}/status",
        sync_generation_id=job.zhaoli_task_id,
        segments_count=job.segments_data["total_segments"],
    )
