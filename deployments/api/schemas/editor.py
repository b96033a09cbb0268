"""Answers for the jobs page of the old editor. Times are UTC, without a zone, as that page expects them."""

from typing import Any, Final

from pydantic import BaseModel, Field

from videojobs.states import Status

OLD_TIME_FIELD: Final = Field(
    description="UTC, without a zone, as the old system gave it.", examples=["2026-01-31T09:30:00.123456"]
)
RESULT_LINK_FIELD: Final = Field(
    description="A link to the finished video; for a failed job, to its fallback result, if it has one. It needs no "
    "token, redirects to the file, expires, and can be revoked. With `?download=1` browsers save the file.",
    examples=["https://api.example.com/d/aR2kQ..."],
)


class OldJobFields(BaseModel):
    """Fields of a job in the old system, where they have other names than ours, or none."""

    id: str
    is_pro_job: bool
    original_filename: str | None = Field(
        description="The client's own name of an uploaded video; else the last part of the video's address.",
        examples=["my talk.mp4"],
    )
    progress_percentage: int = Field(ge=0, le=100)
    progress_message: str
    error_message: str | None
    segments_data: dict[str, Any] = Field(examples=[{"total_segments": 2, "segments": []}])
    processing_config: dict[str, Any]
    file_size: int | None = Field(description="Bytes of the source, once it is checked.")
    duration: int | None = Field(description="Whole seconds of the source, once it is checked.")
    video_duration_seconds: float | None
    video_resolution: str | None = Field(examples=["1920x1080"])
    credits_used: float | None = Field(
        description="Null: there are no credits here. `costs` of a job has the vendors' prices, in USD and points."
    )
    estimated_credits: float | None
    actual_credits_used: float | None
    output_url: str | None = RESULT_LINK_FIELD


class EditorJob(OldJobFields):
    """One row of the page."""

    user_id: str
    display_name: str | None
    status: Status
    progress: int = Field(ge=0, le=100)
    created_at: str = OLD_TIME_FIELD
    queued_at: str
    started_at: str | None = Field(description="When a run first started to work on the job.")
    completed_at: str | None


class EditorJobs(BaseModel):
    """One page of jobs, by number."""

    jobs: list[EditorJob]
    total: int = Field(description="Number of jobs on all pages.")
    page: int
    page_size: int


class EditorJobStatus(BaseModel):
    """The status of one job."""

    id: str
    status: Status
    progress_percentage: int = Field(ge=0, le=100)
    progress_message: str
    error_message: str | None
    download_url: str | None = RESULT_LINK_FIELD
