"""Lectures as the API shows them."""

from collections.abc import Sequence
from typing import Final

from deployments.api.schemas.lectures import LectureCreated, LectureState, LectureStatus, LectureSummary
from deployments.api.views.job_view import available_downloads, readable_facts
from videojobs.db import VideoJob
from videojobs.states import Status

_LECTURE_STATES: Final[dict[Status, LectureState]] = {
    Status.PENDING: "in_queue",
    Status.PROCESSING: "processing",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "failed",
}


def statuses_of(state: LectureState) -> Sequence[Status]:
    """The job statuses that are shown as this state."""
    return [status for status, shown in _LECTURE_STATES.items() if shown == state]


def to_lecture_status(job: VideoJob) -> LectureStatus:
    return LectureStatus(
        job_id=job.id,
        status=_LECTURE_STATES[Status(job.status)],
        progress=job.progress_percentage,
        message=job.progress_message,
        error=job.error_message,
        slides=readable_facts(job).slides,
        downloads=available_downloads(job),
    )


def to_lecture_summary(job: VideoJob) -> LectureSummary:
    return LectureSummary(
        **to_lecture_status(job).model_dump(),
        user_id=job.user_id,
        display_name=job.display_name,
        created_at=job.created_at,
        completed_at=job.completed_at,
    )


def to_created_lecture(job: VideoJob) -> LectureCreated:
    return LectureCreated(**to_lecture_status(job).model_dump(), status_url=f"/api/v1/lectures/{job.id}/status")
