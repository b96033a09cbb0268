"""For the clean-up: finds stuck jobs, and purges old test jobs.

The clean-up acquires a job's lease before it acts, as a run does. That counts as no run and changes neither status nor
progress, so a clean-up that dies in between leaves the job as it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, func, or_, select, update
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.ext.asyncio import AsyncSession

from videojobs.db.models import JobEvent, JobEventKind, Submission, SubmissionState, VideoJob
from videojobs.db.repository_base import NOW, Lease, RepositoryBase
from videojobs.db.webhook_outbox import enqueue_webhooks
from videojobs.states import ENDED_STATUSES, UNFINISHED_STATUSES, Stage
from videojobs.webhooks.events import WebhookEvent

# The vendor may have received these. The row is the only link to them.
_IN_FLIGHT: Final = (SubmissionState.INTENDED, SubmissionState.UNKNOWN, SubmissionState.ACCEPTED)
# These occupy a vendor slot. A rate-limited submission keeps its slot.
_HOLDING_SLOT: Final = (SubmissionState.WAITING, *_IN_FLIGHT)

# In the event of a run that replaced one whose lease had expired; the second key is that of earlier versions.
_EXPIRED_HOLDER_KEYS: Final = array(["expired_holder", "left_behind_by"])

_LEASE_ALIVE: Final = func.coalesce(VideoJob.lease_until >= NOW, False)


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """A job at one moment of the database's clock."""

    job: VideoJob
    submissions: Sequence[Submission]  # oldest first
    lease_alive: bool
    now: datetime
    reopened_at: datetime | None = None
    """When an operator last reopened it."""

    def latest_submission(self, stage: Stage) -> Submission | None:
        """The newest submission of a stage: the live one, if there is one."""
        return next((row for row in reversed(self.submissions) if row.stage == stage), None)

    def submission_age_since_reopen(self, submission: Submission) -> timedelta:
        """As `JobRepository.submission_age_since_reopen`, at this moment."""
        since = submission.accepted_at or submission.intended_at
        return self.now - max(since, self.reopened_at or since)


@dataclass(frozen=True, slots=True)
class PurgeFilter:
    """Jobs that may be purged: of these users, ended at least `min_age_days` ago."""

    user_ids: Sequence[str]
    min_age_days: float

    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        """All conditions except for the lease. A rejected request ended when it was created."""
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
    """Finding, locking and purging jobs."""

    async def find_stuck(self, older_than: timedelta, limit: int) -> Sequence[JobSnapshot]:
        """Unfinished jobs that have not changed for `older_than`, oldest first.

        Jobs without a valid lease that are not parked come first, so that the others cannot use up the limit.
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
        """The most concurrency slots of a provider that may be in use now.

        One per submission in flight, and one per run that crashed within the last `lease`: its slot lease has not
        expired yet.
        """
        in_flight = select(func.count()).where(
            Submission.provider == provider,
            Submission.state.in_(_HOLDING_SLOT),
            Submission.job_id == VideoJob.id,
            VideoJob.status.in_(UNFINISHED_STATUSES),
            VideoJob.parked_reason.is_(None),
        )
        crashed_runs = select(func.count()).where(
            JobEvent.kind == JobEventKind.LEASE_ACQUIRED,
            JobEvent.detail.has_any(_EXPIRED_HOLDER_KEYS),
            JobEvent.at > NOW - lease,
        )
        async with self._read_session() as session:
            return (await session.scalar(in_flight) or 0) + (await session.scalar(crashed_runs) or 0)

    async def find_purgeable(self, purge_filter: PurgeFilter, limit: int) -> Sequence[JobSnapshot]:
        """Test jobs that may be purged, oldest first."""
        query = (
            select(VideoJob, _LEASE_ALIVE, NOW)
            .where(*purge_filter.conditions(), ~_LEASE_ALIVE)
            .order_by(VideoJob.created_at, VideoJob.id)
            .limit(limit)
        )
        async with self._read_session() as session:
            return await _load_snapshots(session, query)

    async def acquire_if_unchanged(self, lease: Lease, seconds: float, expected: JobSnapshot) -> bool:
        """Acquire the lease if the job has not changed. False if it has, or if it is leased or deleted."""
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
                    updated_at=VideoJob.updated_at,  # a clean-up that dies now leaves it stuck
                )
            )
            return True

    async def purge(self, lease: Lease, purge_filter: PurgeFilter) -> bool:
        """Delete a job with its submissions and events, if it may still be purged. Delete its objects first."""
        async with self._locked_job("purge", lease) as (session, job):
            query = select(VideoJob.id).where(VideoJob.id == job.id, *purge_filter.conditions())
            if await session.scalar(query) is None:
                return False
            await enqueue_webhooks(session, job, WebhookEvent.DELETED)
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
        .where(JobEvent.job_id.in_(ids), JobEvent.kind == JobEventKind.REOPENED)
        .group_by(JobEvent.job_id)
    )
    reopened_at = {row.job_id: row.at for row in reopened}
    return [JobSnapshot(job, of_job[job.id], alive, now, reopened_at.get(job.id)) for job, alive, now in rows]


def _version(snapshot: JobSnapshot) -> object:
    """Changes with every write to a job."""
    return snapshot.job.updated_at, [(row.id, row.state, row.reported_vendor_id) for row in snapshot.submissions]
