"""Batches: jobs that a client submits together.

A batch and all its jobs are created in one transaction, so there is never a part of a batch: after a crash, either all
of it is there, and the runs of its jobs are started like those of any job, or nothing is.
"""

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import DateTime, ForeignKey, Index, Integer, Text, func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from videojobs.db.jobs import insert_job, new_job_row
from videojobs.db.models import Base, JobEventKind, VideoJob
from videojobs.db.queries import Cursor
from videojobs.db.repository_base import NOW, RepositoryBase, add_event, load_job
from videojobs.errors import JobRequestConflict
from videojobs.requests.models import JobRequest, fingerprint
from videojobs.states import Status


class JobBatch(Base):
    """One batch. It outlives its jobs."""

    __tablename__ = "job_batches"

    id: Mapped[str] = mapped_column(Text, primary_key=True)
    user_id: Mapped[str] = mapped_column(Text)
    client_key: Mapped[str | None] = mapped_column(Text)  # the client's Idempotency-Key
    fingerprint: Mapped[str] = mapped_column(Text)  # of all its requests, in their order
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NOW)

    __table_args__ = (
        Index("ix_job_batches_user_id", "user_id", "created_at"),
        # One batch per key of a user, also when two requests with the same key arrive at once.
        Index(
            "uq_job_batches_client_key",
            "user_id",
            "client_key",
            unique=True,
            postgresql_where=text("client_key IS NOT NULL"),
        ),
    )


class JobBatchRow(Base):
    """One row of a batch."""

    __tablename__ = "job_batch_rows"

    batch_id: Mapped[str] = mapped_column(ForeignKey("job_batches.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)  # from 1 on, as sent
    job_id: Mapped[str | None] = mapped_column(ForeignKey("video_jobs.id", ondelete="SET NULL"))  # None: deleted since

    __table_args__ = (Index("uq_job_batch_rows_job_id", "job_id", unique=True),)


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """The jobs of a batch. Deleted jobs are in `rows` only; they count as 100 percent."""

    rows: int
    by_status: Mapping[Status, int]
    percent: int  # mean of all rows; ended jobs count as 100


class BatchStore(RepositoryBase):
    """Creating and reading batches. `user_id` None means all users."""

    async def create_batch(
        self,
        batch_id: str,
        requests: Sequence[JobRequest],
        *,
        user_id: str,
        actor: str,
        connections: Mapping[str, str],
        client_key: str | None,
    ) -> JobBatch:
        """Create the batch with all its jobs, or return the one that this user created with this key or id before.

        Each job gets the key with its row's number. Raises JobRequestConflict if that batch had other requests, or a
        job has the key of a row; then nothing is created.
        """
        of_all = hashlib.sha256("".join(map(fingerprint, requests)).encode()).hexdigest()
        row = {"id": batch_id, "user_id": user_id, "client_key": client_key, "fingerprint": of_all}
        async with self._transaction("create_batch", batch_id) as session:
            inserting = insert(JobBatch).values(row).on_conflict_do_nothing().returning(JobBatch.id)
            if await session.scalar(inserting) is None:
                return await _load_existing(session, batch_id, user_id, client_key, of_all)
            for number, request in enumerate(requests, start=1):
                job_id = str(uuid.uuid4())
                job_row = new_job_row(job_id, request) | {
                    "connections": dict(connections),
                    "client_key": f"{client_key}/{number}" if client_key else None,
                    "client_fingerprint": fingerprint(request) if client_key else None,
                }
                if not await insert_job(session, job_row):
                    raise JobRequestConflict(
                        f"a job has the key {client_key}/{number}, which row {number} needs; use a new Idempotency-Key"
                    )
                add_event(session, await load_job(session, job_id), actor, JobEventKind.OPENED, {"batch": batch_id})
                session.add(JobBatchRow(batch_id=batch_id, number=number, job_id=job_id))
            return await session.get_one(JobBatch, batch_id)

    async def get_batch(self, user_id: str | None, batch_id: str) -> JobBatch | None:
        """None also for a batch of another user."""
        query = select(JobBatch).where(JobBatch.id == batch_id)
        if user_id is not None:
            query = query.where(JobBatch.user_id == user_id)
        async with self._read_session() as session:
            found: JobBatch | None = await session.scalar(query)
            return found

    async def list_batches(self, user_id: str | None, *, limit: int, after: Cursor | None) -> Sequence[JobBatch]:
        """Newest first, those that follow `after`."""
        query = select(JobBatch).order_by(JobBatch.created_at.desc(), JobBatch.id.desc()).limit(limit)
        if user_id is not None:
            query = query.where(JobBatch.user_id == user_id)
        if after is not None:
            query = query.where(tuple_(JobBatch.created_at, JobBatch.id) < (after.created_at, after.job_id))
        async with self._read_session() as session:
            return (await session.scalars(query)).all()

    async def batch_progress(self, batch_ids: Sequence[str]) -> Mapping[str, BatchProgress]:
        """By batch id, in one query."""
        query = (
            select(JobBatchRow.batch_id, VideoJob.status, func.count(), func.sum(VideoJob.progress_percentage))
            .outerjoin(VideoJob, VideoJob.id == JobBatchRow.job_id)
            .where(JobBatchRow.batch_id.in_(batch_ids))
            .group_by(JobBatchRow.batch_id, VideoJob.status)
        )
        async with self._read_session() as session:
            found = (await session.execute(query)).tuples().all()
        grouped: dict[str, list[tuple[Status | None, int, int]]] = {}
        for batch_id, status, count, percents in found:
            grouped.setdefault(batch_id, []).append((status, count, percents or 0))
        return {batch_id: _to_progress(groups) for batch_id, groups in grouped.items()}

    async def batch_rows(self, batch_id: str, *, after: int, limit: int) -> Sequence[tuple[int, VideoJob | None]]:
        """Numbers and jobs, those that follow the row `after`. None: the job was deleted."""
        query = (
            select(JobBatchRow.number, VideoJob)
            .outerjoin(VideoJob, VideoJob.id == JobBatchRow.job_id)
            .where(JobBatchRow.batch_id == batch_id, JobBatchRow.number > after)
            .order_by(JobBatchRow.number)
            .limit(limit)
        )
        async with self._read_session() as session:
            return [(number, job) for number, job in (await session.execute(query)).all()]


async def _load_existing(
    session: AsyncSession, batch_id: str, user_id: str, client_key: str | None, of_all: str
) -> JobBatch:
    """The batch with this key, or with this id: a commit that was not confirmed is tried again."""
    query = select(JobBatch).where(JobBatch.user_id == user_id)
    of_key = JobBatch.client_key == client_key if client_key else JobBatch.id == batch_id
    batch = (await session.scalars(query.where(of_key))).one()
    if batch.fingerprint != of_all:
        raise JobRequestConflict("this Idempotency-Key belongs to another batch; use a new key for each batch")
    return batch


def _to_progress(groups: Sequence[tuple[Status | None, int, int]]) -> BatchProgress:
    rows = sum(count for _, count, _ in groups)
    running = (Status.PENDING, Status.PROCESSING)
    percents = sum(percents if status in running else 100 * count for status, count, percents in groups)
    by_status = {status: count for status, count, _ in groups if status is not None}
    return BatchProgress(rows, by_status, percents // max(rows, 1))
