"""API responses about jobs."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from deployments.api.schemas.editor import OLD_TIME_FIELD, RESULT_LINK_FIELD, OldJobFields
from deployments.api.schemas.problems import FieldProblem
from videojobs.states import JobKind, Status

LegacyStatus = Literal["processing", "completed", "failed"]
FileKind = Literal["result", "lip_sync", "source", "before_after", "pdf", "srt", "vtt", "times", "slides", "slide"]

JOB_ID_FIELD: Final = Field(examples=["7d0c5f0e-2c1b-4f5e-9a53-0a6f4f7f3c11"])


class JobStatusResponse(BaseModel):
    """The five status fields of the old system."""

    job_id: str = JOB_ID_FIELD
    status: LegacyStatus = Field(description="A cancelled job is `failed` here; its message says so.")
    progress: int = Field(ge=0, le=100, examples=[75])
    message: str = Field(examples=["Text inpainting in progress..."])
    output_url: str | None = RESULT_LINK_FIELD


class ProJobStatus(JobStatusResponse):
    """With the further fields of the old system's status."""

    segments_data: dict[str, Any] = Field(examples=[{"total_segments": 2, "segments": []}])
    created_at: str = OLD_TIME_FIELD
    completed_at: str | None


class JobCreated(JobStatusResponse):
    """The job that a request created."""

    status_url: str = Field(examples=["/api/v1/video-editors/pro-job/7d0c5f0e-2c1b-4f5e-9a53-0a6f4f7f3c11/status"])
    sync_generation_id: str | None = Field(description="The id at Sync.so, once the job has one.", examples=[None])
    segments_count: int = Field(examples=[2])


class JobSummary(BaseModel):
    """A job in a list."""

    job_id: str = JOB_ID_FIELD
    kind: JobKind
    user_id: str = Field(examples=["ada"])
    display_name: str | None = Field(examples=["My first job"])
    status: Status
    progress: int = Field(ge=0, le=100, examples=[100])
    message: str = Field(examples=["Pro video processing completed (lip-sync + text inpainting)"])
    error: str | None = Field(description="Why it failed; for a cancelled job, what was paid for.", examples=[None])
    error_code: str | None = Field(
        description="Why it failed or was parked, for programs, as `code` of an error; null if unknown.",
        examples=[None],
    )
    problems: list[FieldProblem] = Field(description="All mistakes of an invalid request.", examples=[[]])
    parked_reason: str | None = Field(description="What an operator has to decide first.", examples=[None])
    fallback: bool = Field(description="It failed, and its lip-sync result can be downloaded as `lip_sync`.")
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    can_cancel: bool
    can_retry: bool
    downloads: list[FileKind] = Field(
        description="Files that can be downloaded. Lists leave out `before_after`, a picture.",
        examples=[["source", "lip_sync", "result"]],
    )


class StageCost(BaseModel):
    """The cost of one paid stage."""

    stage: str = Field(examples=["lip_sync"])
    expected_usd: Decimal | None = Field(examples=["0.45"])
    expected_points: Decimal | None
    paid_points: Decimal | None = Field(description="What the vendor reported; not every vendor does.")


class EventEntry(BaseModel):
    """One event of a job."""

    at: datetime
    kind: str = Field(examples=["accepted"])
    point: str = Field(description="The job's recovery point at that time.", examples=["lip_sync_submitted"])
    progress: int = Field(ge=0, le=100)
    message: str = Field(examples=["Sync.so has accepted the job."])


class Job(JobSummary, OldJobFields):
    """A job with its costs and events, and with the fields that clients of the old system read."""

    queued_at: datetime
    started_at: datetime | None = Field(description="When a run first started to work on the job.")
    costs: list[StageCost]
    timeline: list[EventEntry]


class LinksRevoked(BaseModel):
    """The links to a job's result are revoked."""

    job_id: str = JOB_ID_FIELD
    message: str


class JobPage(BaseModel):
    """One page of jobs, newest first."""

    jobs: list[JobSummary]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last page.")
