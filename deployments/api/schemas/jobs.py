"""What the front door answers, as the OpenAPI document shows it."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from videojobs.states import JobKind, Status

LegacyStatus = Literal["processing", "completed", "failed"]
MEDIA_TYPE_PATTERN: Final = r"^(video|audio)/[A-Za-z0-9.+-]{1,80}$"
_ETAG_PATTERN: Final = r'^"?[\x21\x23-\x7e]{1,200}"?$'  # with its quotes or without
LectureState = Literal["in_queue", "processing", "completed", "failed"]
FileKind = Literal["result", "lip_sync", "source", "before_after", "pdf", "srt", "vtt", "times", "slides", "slide"]

_JOB_ID = Field(examples=["7d0c5f0e-2c1b-4f5e-9a53-0a6f4f7f3c11"])


class JobStatusResponse(BaseModel):
    """The five fields that clients of the old system know."""

    job_id: str = _JOB_ID
    status: LegacyStatus = Field(description="A cancelled job is `failed` here, and its message says what happened.")
    progress: int = Field(ge=0, le=100, examples=[75])
    message: str = Field(examples=["Text inpainting in progress..."])
    output_url: str | None = Field(
        description="A link to the finished video; of a failed job to what it has instead, if anything.",
        examples=["https://bucket.example.com/users/ada/jobs/.../pro_result.mp4?X-Amz-Signature=..."],
    )


class LectureStatus(BaseModel):
    """How a lecture stands."""

    job_id: str = _JOB_ID
    status: LectureState = Field(description="A cancelled lecture is `failed` here, and its error says so.")
    progress: int = Field(ge=0, le=100, examples=[45])
    message: str = Field(examples=["Recognising speech and finding slides..."])
    error: str | None = Field(description="Why it failed.", examples=[None])
    slides: int | None = Field(description="How many there are, once they are found.", examples=[24])
    downloads: list[FileKind] = Field(
        description="What can be downloaded; `slide` with a `number` from 1 on.", examples=[["source", "pdf", "srt"]]
    )


class LectureSummary(LectureStatus):
    """A lecture as lists show it."""

    user_id: str = Field(examples=["ada"])
    display_name: str | None = Field(examples=["On water"])
    created_at: datetime
    completed_at: datetime | None


class LecturePage(BaseModel):
    """Some lectures, newest first."""

    lectures: list[LectureSummary]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one.")


class LectureCreated(LectureStatus):
    """The lecture that a request has become."""

    status_url: str = Field(examples=["/api/v1/lectures/7d0c5f0e-2c1b-4f5e-9a53-0a6f4f7f3c11/status"])


class JobCreated(JobStatusResponse):
    """The job that a request has become."""

    status_url: str = Field(examples=["/api/v1/video-editors/pro-job/7d0c5f0e-2c1b-4f5e-9a53-0a6f4f7f3c11/status"])
    sync_generation_id: str | None = Field(description="Sync.so's id, once the job has reached it.", examples=[None])
    segments_count: int = Field(examples=[2])


class JobSummary(BaseModel):
    """A job as lists show it."""

    job_id: str = _JOB_ID
    kind: JobKind
    user_id: str = Field(examples=["ada"])
    display_name: str | None = Field(examples=["My first job"])
    status: Status
    progress: int = Field(ge=0, le=100, examples=[100])
    message: str = Field(examples=["Pro video processing completed (lip-sync + text inpainting)"])
    error: str | None = Field(description="Why it failed, or what was paid for when it was cancelled.", examples=[None])
    parked_reason: str | None = Field(description="What an operator has to decide before it goes on.", examples=[None])
    fallback: bool = Field(description="It failed, and its lip-sync result can be downloaded as `lip_sync`.")
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    can_cancel: bool
    can_retry: bool
    downloads: list[FileKind] = Field(
        description="What can be downloaded. `render_comparison`, a picture, is named only where one job is asked for.",
        examples=[["source", "lip_sync", "result"]],
    )


class StageCost(BaseModel):
    """What one paid step costs."""

    stage: str = Field(examples=["lip_sync"])
    expected_usd: Decimal | None = Field(examples=["0.45"])
    expected_points: Decimal | None
    paid_points: Decimal | None = Field(description="What the vendor told that it took; Sync.so does not tell.")


class EventEntry(BaseModel):
    """One line of what happened to a job."""

    at: datetime
    kind: str = Field(examples=["accepted"])
    point: str = Field(description="How far the job was then.", examples=["lip_sync_submitted"])
    progress: int = Field(ge=0, le=100)
    message: str = Field(examples=["Sync.so has taken it on."])


class Job(JobSummary):
    """A job with all that can be told about it."""

    costs: list[StageCost]
    timeline: list[EventEntry]


class JobPage(BaseModel):
    """Some jobs, newest first."""

    jobs: list[JobSummary]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last one.")


class UploadCreate(BaseModel):
    """A file that a client wants to send to the storage by itself."""

    model_config = ConfigDict(extra="forbid")

    file_name: str = Field(min_length=1, max_length=255, examples=["talk.mp4"])
    size: int = Field(gt=0, strict=True, description="Bytes", examples=[734003200])
    content_type: str = Field(examples=["video/mp4"], json_schema_extra={"pattern": MEDIA_TYPE_PATTERN})


class UploadStarted(BaseModel):
    """Where to send its parts: each by PUT, all but the last of `part_size` bytes."""

    upload_id: str
    part_size: int = Field(description="Bytes", examples=[16777216])
    parts: list[str] = Field(description="Links, in the order of the parts. Keep the ETag that each answers.")


class UploadParts(BaseModel):
    """The ETags of all parts, in their order."""

    model_config = ConfigDict(extra="forbid")

    etags: list[Annotated[str, Field(pattern=_ETAG_PATTERN)]] = Field(
        min_length=1, max_length=10_000, examples=[['"9b2cf535f27731c974343645a3985328"']]
    )


class UploadComplete(BaseModel):
    """A file that a job can be made of."""

    source: str = Field(examples=["s3://bucket/users/ada/uploads/0b7d.../talk.mp4"])
