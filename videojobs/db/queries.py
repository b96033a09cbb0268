"""Queries for users: lists of jobs, and one job of its owner."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, tuple_

from videojobs.db.models import JobEvent, JobEventKind, VideoJob
from videojobs.db.repository_base import RepositoryBase
from videojobs.errors import UnknownJob
from videojobs.states import JobKind, Status


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last job on a page of a list."""

    created_at: datetime
    job_id: str


class JobQueries(RepositoryBase):
    """Reads for users. `user_id` None means all users."""

    async def get_job_for_user(self, user_id: str | None, job_id: str) -> VideoJob:
        """Raises UnknownJob, for another user's job with the same work and message as for a missing one."""
        query = select(VideoJob).where(VideoJob.id == job_id, *_owned_by(user_id))
        async with self._read_session() as session:
            job: VideoJob | None = await session.scalar(query)
        if job is None:
            raise UnknownJob("there is no such job")
        return job

    async def list_jobs(
        self,
        user_id: str | None,
        *,
        statuses: Collection[Status] = (),
        kind: JobKind | None = None,
        limit: int,
        after: Cursor | None = None,
    ) -> Sequence[VideoJob]:
        """Newest first, those that follow `after`."""
        query = select(VideoJob).where(*_owned_by(user_id))
        if statuses:
            query = query.where(VideoJob.status.in_(statuses))
        if kind is not None:
            query = query.where(VideoJob.kind == kind)
        if after is not None:
            query = query.where(tuple_(VideoJob.created_at, VideoJob.id) < (after.created_at, after.job_id))
        query = query.order_by(VideoJob.created_at.desc(), VideoJob.id.desc()).limit(limit)
        async with self._read_session() as session:
            return (await session.scalars(query)).all()

    async def list_jobs_page(
        self, user_id: str | None, *, statuses: Collection[Status] = (), kind: JobKind, limit: int, offset: int
    ) -> tuple[Sequence[VideoJob], int]:
        """Newest first, without the first `offset` of them; and how many there are in all."""
        conditions = [*_owned_by(user_id), VideoJob.kind == kind]
        if statuses:
            conditions.append(VideoJob.status.in_(statuses))
        rows = select(VideoJob).where(*conditions).order_by(VideoJob.created_at.desc(), VideoJob.id.desc())
        async with self._read_session() as session:
            total = await session.scalar(select(func.count()).select_from(VideoJob).where(*conditions))
            return (await session.scalars(rows.limit(limit).offset(offset))).all(), total or 0

    async def first_lease_times(self, job_ids: Collection[str]) -> Mapping[str, datetime]:
        """When a run first started to work on each job; jobs that no run has leased are left out."""
        query = (
            select(JobEvent.job_id, func.min(JobEvent.at))
            .where(JobEvent.job_id.in_(job_ids), JobEvent.kind == JobEventKind.LEASE_ACQUIRED)
            .group_by(JobEvent.job_id)
        )
        async with self._read_session() as session:
            return dict((await session.execute(query)).tuples().all())

    async def jobs_by_id(self, job_ids: Collection[str]) -> Mapping[str, VideoJob]:
        """Their current rows, in one query; unknown ids are left out."""
        async with self._read_session() as session:
            found = await session.scalars(select(VideoJob).where(VideoJob.id.in_(job_ids)))
            return {job.id: job for job in found}

    async def unclaimed_job_ids(self, limit: int) -> Sequence[str]:
        """Jobs that no run has ever leased, oldest first."""
        query = select(VideoJob.id).where(VideoJob.status == Status.PENDING, VideoJob.claims == 0)
        async with self._read_session() as session:
            return (await session.scalars(query.order_by(VideoJob.created_at).limit(limit))).all()


def _owned_by(user_id: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if user_id is None else (VideoJob.user_id == user_id,)
