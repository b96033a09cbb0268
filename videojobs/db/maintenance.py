"""What keeps the job state in order from outside: jobs that got stuck, and old test jobs that may go.

Whoever acts on a job from here holds its lease first, as a run does, but is no run: holding counts as no taking-up,
and changes neither the status nor how far the job is. So a clean-up that dies in between leaves the job as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from videojobs.db.models import JobEvent, Submission, SubmissionState, VideoJob
from videojobs.db.repository_base import NOW, Lease, RepositoryBase
from videojobs.states import ENDED_STATUSES, UNFINISHED_STATUSES, Stage

# What a vendor may still be at work on, or may have taken: the row is all that leads back to it.
_IN_FLIGHT: Final = (SubmissionState.INTENDED, SubmissionState.UNKNOWN, SubmissionState.ACCEPTED)
# What a job may have a place at the vendor for: one that was asked to wait keeps its place.
_HOLDING_SLOT: Final = (SubmissionState.WAITING, *_IN_FLIGHT)

_LEASE_ALIVE: Final = func.coalesce(VideoJob.lease_until >= NOW, False)


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """How a job stood at one moment of the database's clock."""

    job: VideoJob
    submissions: Sequence[Submission]  # oldest first
    lease_alive: bool
    now: datetime
    reopened_at: datetime | None = None
    """When an operator last opened it again."""

    def latest_submission(self, stage: Stage) -> Submission | None:
        """The newest submission of a stage: the live one, if any is."""
        return next((row for row in reversed(self.submissions) if row.stage == stage), None)

    def submission_age_since_reopen(self, submission: Submission) -> timedelta:
        """As `Ledger.submission_age_since_reopen`, at this moment."""
        since = submission.accepted_at or submission.intended_at
        return self.now - max(since, self.reopened_at or since)


@dataclass(frozen=True, slots=True)
class PurgeFilter:
    """Which jobs may be purged: those of these users that ended so many days ago."""

    user_ids: Sequence[str]
    min_age_days: float

    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """All of a purgeable job but its lease. A request that was refused at the door ended when it was made."""
        ended = func.coalesce(VideoJob.completed_at, VideoJob.created_at)
        in_flight = select(Submission.id).where(Submission.job_id == VideoJob.id, Submission.state.in_(_IN_FLIGHT))
        return (
            VideoJob.user_id.in_(self.user_ids),
            VideoJob.status.in_(ENDED_STATUSES),
            VideoJob.parked_reason.is_(None),
            ended < NOW - timedelta(days=self.min_age_days),
            ~in_flight.exists(),
        )


class JobMaintenance(RepositoryBase):
    """Finding, holding and purging jobs from outside."""

    async def find_stuck(self, older_than: timedelta, limit: int) -> Sequence[JobSnapshot]:
        """Unfinished jobs that have not changed for so long, the longest first.

        Those that nobody works on and no operator has to decide about come before all others, so that however many
        of the others there are, the limit leaves room for them.
        """
        query = (
            select(VideoJob, _LEASE_ALIVE, NOW)
            .where(VideoJob.status.in_(UNFINISHED_STATUSES), VideoJob.updated_at < NOW - older_than)
            .order_by(or_(_LEASE_ALIVE, VideoJob.parked_reason.is_not(None)), VideoJob.updated_at, VideoJob.id)
            .limit(limit)
        )
        async with self._read_session() as session:
            return await _load_snapshots(session, query)

    async def max_slots_in_use(self, provider: str, lease: timedelta) -> int:
        """The most concurrency slots of a provider that jobs can hold now.

        One for each submission in flight, and one for each run that crashed within the last `lease`: its slot is kept
        for so long.
        """
        in_flight = select(func.count()).where(
            Submission.provider == provider,
            Submission.state.in_(_HOLDING_SLOT),
            Submission.job_id == VideoJob.id,
            VideoJob.status.in_(UNFINISHED_STATUSES),
            VideoJob.parked_reason.is_(None),
        )
        crashed_runs = select(func.count()).where(
            JobEvent.kind == "claimed", JobEvent.detail.has_key("left_behind_by"), JobEvent.at > NOW - lease
        )
        async with self._read_session() as session:
            return (await session.scalar(in_flight) or 0) + (await session.scalar(crashed_runs) or 0)

    async def find_purgeable(self, purge_filter: PurgeFilter, limit: int) -> Sequence[JobSnapshot]:
        """Old test jobs that may be purged, the oldest first."""
        query = (
            select(VideoJob, _LEASE_ALIVE, NOW)
            .where(*purge_filter.conditions(), ~_LEASE_ALIVE)
            .order_by(VideoJob.created_at, VideoJob.id)
            .limit(limit)
        )
        async with self._read_session() as session:
            return await _load_snapshots(session, query)

    async def acquire_if_unchanged(self, lease: Lease, seconds: float, expected: JobSnapshot) -> bool:
        """Take the lease of a job that still is as it was seen. False when it has changed, is held, or is gone."""
        query = select(VideoJob, _LEASE_ALIVE, NOW).where(VideoJob.id == lease.job_id)
        async with self._transaction("acquire_if_unchanged", lease.job_id) as session:
            await session.scalar(select(VideoJob.id).where(VideoJob.id == lease.job_id).with_for_update())
            found = await _load_snapshots(session, query)
            if not found or found[0].lease_alive or _version(found[0]) != _version(expected):
                return False
            await session.execute(
                update(VideoJob)
                .where(VideoJob.id == lease.job_id)
                .values(
                    lease_holder=lease.holder,
                    lease_until=NOW + timedelta(seconds=seconds),
                    updated_at=VideoJob.updated_at,  # it got nowhere by that: one that dies now leaves it stuck
                )
            )
            return True

    async def purge(self, lease: Lease, purge_filter: PurgeFilter) -> bool:
        """Delete a job with its submissions and events, if it still may be purged. Its objects go before."""
        async with self._locked_job("purge", lease) as (session, job):
            query = select(VideoJob.id).where(VideoJob.id == job.id, *purge_filter.conditions())
            if await session.scalar(query) is None:
                return False
            await session.delete(job)
            return True


async def _load_snapshots(
    session: AsyncSession, query: Select[tuple[VideoJob, bool, datetime]]
) -> Sequence[JobSnapshot]:
    rows = (await session.execute(query)).all()
    ids = [job.id for job, _, _ in rows]
    submissions = await session.scalars(
        select(Submission).where(Submission.job_id.in_(ids)).order_by(Submission.intended_at)
    )
    of_job: dict[str, list[Submission]] = {job_id: [] for job_id in ids}
    for submission in submissions:
        of_job[submission.job_id].append(submission)
    reopened = await session.execute(
        select(JobEvent.job_id, func.max(JobEvent.at).label("at"))
        .where(JobEvent.job_id.in_(ids), JobEvent.kind == "reopened")
        .group_by(JobEvent.job_id)
    )
    reopened_at = {row.job_id: row.at for row in reopened}
    return [JobSnapshot(job, of_job[job.id], alive, now, reopened_at.get(job.id)) for job, alive, now in rows]


def _version(snapshot: JobSnapshot) -> object:
    """What is different as soon as anybody has done anything about a job."""
    return snapshot.job.updated_at, [(row.id, row.state, row.candidate_id) for row in snapshot.submissions]
