"""Responses for the jobs page of the old editor. Times are UTC, without a zone, as that page expects them."""

from typing import Any

from pydantic import BaseModel, Field

from videojobs.states import Status


class EditorJob(BaseModel):
    """One row of the page."""

    id: str
    user_id: str
    display_name: str | None
    original_filename: str | None = Field(description="The file name of the source; the old system kept another name.")
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
    started_at: str | None = Field(description="Not recorded: null.")
    completed_at: str | None
    output_url: str | None = Field(
        description="A link to the finished video that needs no token. It ends with `#`, so that the page may append "
        "`?download=1`: a second query would break the link's signature, and what follows a `#` is not sent."
    )


class EditorJobs(BaseModel):
    """One page of jobs."""

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
    download_url: str | None = Field(description="As `output_url` of the list.")
