"""Jobs as the basic editor of the old system reads them."""

from collections.abc import Sequence

from deployments.api.jobs.batch_creation import BatchEntry
from deployments.api.jobs.form_creation import FormJob
from deployments.api.schemas.basic_editor import (
    BasicJobStatus,
    BatchCreated,
    TextRemovalJobCreated,
    WholeVideoJobCreated,
)
from deployments.api.views.job_view import legacy_status, status_message
from videojobs.db import VideoJob


def to_whole_video_job(created: FormJob) -> WholeVideoJobCreated:
    job = created.job
    return WholeVideoJobCreated(
        job_id=job.id,
        filename=created.file_name,
        message=status_message(job),
        status=legacy_status(job),
        sync_generation_id=job.zhaoli_task_id,
    )


def to_text_removal_job(created: FormJob) -> TextRemovalJobCreated:
    job = created.job
    return TextRemovalJobCreated(
        job_id=job.id,
        filename=created.file_name,
        message=status_message(job),
        status=legacy_status(job),
        ghostcut_task_id=_ghostcut_task_id(job),
    )


def to_batch(entries: Sequence[BatchEntry]) -> BatchCreated:
    jobs = [_to_batch_job(entry) for entry in entries]
    started = sum(entry.job is not None for entry in entries)
    message = f"{started} of {len(entries)} files are being processed."
    return BatchCreated(jobs=jobs, total_files=len(entries), message=message)


def _to_batch_job(entry: BatchEntry) -> TextRemovalJobCreated:
    if entry.job is not None:
        return to_text_removal_job(FormJob(entry.job, entry.file_name))
    return TextRemovalJobCreated(
        job_id="", filename=entry.file_name, message=entry.error, status="failed", ghostcut_task_id=None
    )


def to_basic_status(job: VideoJob) -> BasicJobStatus:
    return BasicJobStatus(
        job_id=job.id,
        status=legacy_status(job),
        progress=job.progress_percentage,
        message=status_message(job),
        ghostcut_task_id=_ghostcut_task_id(job),
        created_at=job.created_at,
        completed_at=job.completed_at,
    )


def _ghostcut_task_id(job: VideoJob) -> str | None:
    found = job.job_metadata.get("ghostcut_task_id")
    return None if found is None else str(found)
