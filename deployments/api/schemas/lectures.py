"""API responses about lectures."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from deployments.api.schemas.jobs import JOB_ID_FIELD, FileKind

LectureState = Literal["in_queue", "processing", "completed", "failed"]


class LectureStatus(BaseModel):
    """The status of a lecture."""

    job_id: str = JOB_ID_FIELD
    status: LectureState = Field(description="A cancelled lecture is `failed` here; its `error` says so.")
    progress: int = Field(ge=0, le=100, examples=[45])
    message: str = Field(examples=["Recognising speech and finding slides..."])
    error: str | None = Field(description="Why it failed.", examples=[None])
    slides: int | None = Field(description="Number of slides, once they are detected.", examples=[24])
    downloads: list[FileKind] = Field(
        description="Files that can be downloaded; `slide` takes a `number` from 1 on.",
        examples=[["source", "pdf", "srt"]],
    )


class LectureSummary(LectureStatus):
    """A lecture in a list."""

    user_id: str = Field(examples=["ada"])
    display_name: str | None = Field(examples=["On water"])
    created_at: datetime
    completed_at: datetime | None


class LecturePage(BaseModel):
    """One page of lectures, newest first."""

    lectures: list[LectureSummary]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last page.")


class LectureCreated(LectureStatus):
    """The lecture that a request created."""

    status_url: str = Field(examples=["/api/v1/lectures/7d0c5f0e-2c1b-4f5e-9a53-0a6f4f7f3c11/status"])
