"""API responses about batches."""

from datetime import datetime

from pydantic import BaseModel, Field

from deployments.api.schemas.jobs import JobSummary
from videojobs.states import Status


class BatchSummary(BaseModel):
    """A batch in a list."""

    batch_id: str = Field(examples=["5b9d7a52-8a4e-4f0e-8c39-4f7d3f1c8a10"])
    user_id: str = Field(examples=["ada"])
    created_at: datetime
    rows: int = Field(ge=0, description="Deleted jobs included.", examples=[40])
    by_status: dict[Status, int] = Field(description="Jobs by status.", examples=[{"processing": 30, "completed": 10}])
    progress: int = Field(ge=0, le=100, description="Percent: the mean of all rows. Ended jobs count as 100.")


class BatchRow(BaseModel):
    """One row of a batch."""

    number: int = Field(ge=1, description="As sent, from 1 on; the header of a CSV file does not count.")
    job: JobSummary | None = Field(description="Null: the job was deleted.")


class Batch(BatchSummary):
    """A batch with one page of its rows."""

    jobs: list[BatchRow]
    next_row: int | None = Field(description="Send it as `after` for the next page; null on the last page.")


class BatchPage(BaseModel):
    """One page of batches, newest first."""

    batches: list[BatchSummary]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last page.")


class BatchChanged(BaseModel):
    """What was done to the jobs of a batch."""

    batch_id: str
    changed: list[str] = Field(description="Ids of the jobs that were cancelled or are retried.")
    skipped: list[str] = Field(description="Ids of the jobs that stay as they are.")
