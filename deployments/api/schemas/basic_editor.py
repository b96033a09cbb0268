"""Responses for the basic editor of the old system, with its field names."""

from datetime import datetime

from pydantic import BaseModel, Field

from deployments.api.schemas.jobs import JOB_ID_FIELD, LegacyStatus


class _BasicJob(BaseModel):
    job_id: str = JOB_ID_FIELD
    filename: str = Field(description="The client's name of the video.", examples=["talk.mp4"])
    message: str = Field(examples=["Uploading files..."])
    status: LegacyStatus


class WholeVideoJobCreated(_BasicJob):
    """The job of a video with one audio."""

    sync_generation_id: str | None = Field(description="The id at Sync.so, once the job has one.", examples=[None])


class TextRemovalJobCreated(_BasicJob):
    """The job of a video whose text is removed."""

    ghostcut_task_id: str | None = Field(description="The id at GhostCut, once the job has one.", examples=[None])


class BatchCreated(BaseModel):
    """The jobs of a batch, one entry per file in their order."""

    jobs: list[TextRemovalJobCreated] = Field(
        description="A file that became no job has an empty `job_id` and the status `failed`; `message` says why."
    )
    total_files: int = Field(examples=[2])
    message: str = Field(examples=["2 of 2 files are being processed."])


class BasicJobStatus(BaseModel):
    """The status of a job."""

    job_id: str = JOB_ID_FIELD
    status: LegacyStatus = Field(description="A cancelled job is `failed` here; its message says so.")
    progress: int = Field(ge=0, le=100, examples=[75])
    message: str = Field(examples=["Text inpainting in progress..."])
    ghostcut_task_id: str | None = Field(description="The id at GhostCut, once the job has one.", examples=[None])
    created_at: datetime
    completed_at: datetime | None
