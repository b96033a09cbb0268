"""What people see of many jobs, or of one that has to be theirs."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, tuple_

from videojobs.ledger.books import Books, UnknownJob
from videojobs.ledger.tables import VideoJob
from videojobs.states import Status, Work


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of a list ends: the last job on it."""

    created_at: datetime
    job_id: str


class Listing(Books):
    """Reading for people. `user_id` None stands for everybody."""

    async def job_of(self, user_id: str | None, job_id: str) -> VideoJob:
        """Raises UnknownJob, for somebody else's job by the same work and in the same words as for none at all."""
        query = select(VideoJob).where(VideoJob.id == job_id, *_owned_by(user_id))
        async with self._reading() as session:
            job: VideoJob | None = await session.scalar(query)
        if job is None:
            raise UnknownJob("there is no such job")
        return job

    async def jobs_of(
        self,
        user_id: str | None,
        *,
        statuses: Collection[Status] = (),
        work: Work | None = None,
        limit: int,
        after: Place | None = None,
    ) -> Sequence[VideoJob]:
        """Newest first, those that follow `after`."""
        query = select(VideoJob).where(*_owned_by(user_id))
        if statuses:
            query = query.where(VideoJob.status.in_(statuses))
        if work is not None:
            query = query.where(VideoJob.kind == work.value)
        if after is not None:
            query = query.where(tuple_(VideoJob.created_at, VideoJob.id) < (after.created_at, after.job_id))
        query = query.order_by(VideoJob.created_at.desc(), VideoJob.id.desc()).limit(limit)
        async with self._reading() as session:
            return (await session.scalars(query)).all()

    async def numbered_page(
        self, user_id: str | None, *, statuses: Collection[Status] = (), work: Work, limit: int, offset: int
    ) -> tuple[Sequence[VideoJob], int]:
        """Newest first, without the first `offset` of them; and how many there are in all."""
        wanted = [*_owned_by(user_id), VideoJob.kind == work.value]
        if statuses:
            wanted.append(VideoJob.status.in_(statuses))
        rows = select(VideoJob).where(*wanted).order_by(VideoJob.created_at.desc(), VideoJob.id.desc())
        async with self._reading() as session:
            total = await session.scalar(select(func.count()).select_from(VideoJob).where(*wanted))
            return (await session.scalars(rows.limit(limit).offset(offset))).all(), total or 0

    async def jobs_by_id(self, job_ids: Collection[str]) -> Mapping[str, VideoJob]:
        """As they stand now, in one query; those that do not exist are left out."""
        async with self._reading() as session:
            found = await session.scalars(select(VideoJob).where(VideoJob.id.in_(job_ids)))
            return {job.id: job for job in found}

    async def unstarted(self, limit: int) -> Sequence[str]:
        """Jobs that nobody has ever taken up, the oldest first."""
        query = select(VideoJob.id).where(VideoJob.status == Status.PENDING.value, VideoJob.claims == 0)
        async with self._reading() as session:
            return (await session.scalars(query.order_by(VideoJob.created_at).limit(limit))).all()


def _owned_by(user_id: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if user_id is None else (VideoJob.user_id == user_id,)
