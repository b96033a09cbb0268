"""Statistics over all jobs, for monitoring. Each is one query over a bounded part of a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import Float, Text, cast, func, select

from videojobs.db.models import IN_DOUBT_STATES, Submission, SubmissionState, VideoJob
from videojobs.db.repository_base import NOW, RepositoryBase
from videojobs.states import ENDED_STATUSES, UNFINISHED_STATUSES, RecoveryPoint, Stage, Status

DAY: Final = timedelta(days=1)  # older rows say nothing about the current state
PACE_PERIOD: Final = timedelta(days=7)  # vendors become faster and slower: older deliveries say little about the next

_OPEN_STATES: Final = (*IN_DOUBT_STATES, SubmissionState.WAITING, SubmissionState.ACCEPTED)
_OLDEST_AGE_SECONDS: Final = func.extract("epoch", NOW - func.min(VideoJob.created_at))
_DURATION_SECONDS: Final = func.extract("epoch", Submission.ended_at - Submission.accepted_at)


@dataclass(frozen=True, slots=True)
class UnfinishedJobs:
    """Jobs with the same status, recovery point and parked flag."""

    status: Status
    point: RecoveryPoint
    parked: bool
    count: int
    oldest_seconds: float  # since it was created


@dataclass(frozen=True, slots=True)
class SubmissionStats:
    """Submissions of the last day, by stage and state. Seconds are from acceptance to end; None if none ended."""

    provider: str
    state: SubmissionState
    count: int
    median_seconds: float | None
    p95_seconds: float | None  # 95 of 100 took less


@dataclass(frozen=True, slots=True)
class DeliveryPace:
    """How long a vendor takes for one second of the result, from acceptance to delivery: the median, in seconds."""

    seconds_per_second: float
    count: int  # deliveries that it is measured on


class JobStats(RepositoryBase):
    """Counts and durations."""

    async def unfinished_jobs(self) -> Sequence[UnfinishedJobs]:
        """Jobs that have not ended."""
        parked = VideoJob.parked_reason.is_not(None)
        query = (
            select(VideoJob.status, VideoJob.recovery_point, parked, func.count(), _OLDEST_AGE_SECONDS)
            .where(VideoJob.status.in_(UNFINISHED_STATUSES))
            .group_by(VideoJob.status, VideoJob.recovery_point, parked)
        )
        async with self._read_session() as session:
            rows = (await session.execute(query)).all()
        return [
            UnfinishedJobs(status, point, is_parked, count, float(age)) for status, point, is_parked, count, age in rows
        ]

    async def delivery_paces(self) -> Mapping[Stage, DeliveryPace]:
        """By stage, of the deliveries within `PACE_PERIOD`. Jobs without a recorded estimate are left out."""
        length = cast(func.jsonb_extract_path_text(VideoJob.estimate, cast(Submission.stage, Text), "seconds"), Float)
        pace = func.percentile_cont(0.5).within_group(_DURATION_SECONDS / length)
        query = (
            select(Submission.stage, pace, func.count())
            .join(VideoJob, VideoJob.id == Submission.job_id)
            .where(Submission.state == SubmissionState.DONE, Submission.intended_at > NOW - PACE_PERIOD, length > 0)
            .where(Submission.accepted_at.is_not(None), Submission.ended_at.is_not(None))
            .group_by(Submission.stage)
        )
        async with self._read_session() as session:
            rows = (await session.execute(query)).all()
        return {stage: DeliveryPace(float(seconds), count) for stage, seconds, count in rows}

    async def count_open_submissions(self) -> dict[str, int]:
        """Submissions of unfinished jobs that only their provider can finish, by its key."""
        query = (
            select(Submission.provider, func.count().label("open"))
            .join(VideoJob, VideoJob.id == Submission.job_id)
            .where(VideoJob.status.in_(UNFINISHED_STATUSES), Submission.state.in_(_OPEN_STATES))
            .group_by(Submission.provider)
        )
        async with self._read_session() as session:
            rows = (await session.execute(query)).all()
        return {row.provider: row.open for row in rows}

    async def ended_last_day(self) -> dict[Status, int]:
        """Jobs that ended within the last day."""
        query = select(VideoJob.status, func.count()).where(
            VideoJob.status.in_(ENDED_STATUSES), VideoJob.updated_at > NOW - DAY
        )
        async with self._read_session() as session:
            rows = (await session.execute(query.group_by(VideoJob.status))).all()
        return {status: count for status, count in rows}  # noqa: C416 - a Row is no tuple to mypy

    async def submissions_last_day(self) -> Sequence[SubmissionStats]:
        """Paid calls with an intent within the last day."""
        shares = [func.percentile_cont(share).within_group(_DURATION_SECONDS) for share in (0.5, 0.95)]
        query = (
            select(Submission.provider, Submission.state, func.count(), *shares)
            .where(Submission.intended_at > NOW - DAY)
            .group_by(Submission.provider, Submission.state)
        )
        async with self._read_session() as session:
            rows = (await session.execute(query)).all()
        return [SubmissionStats(*row) for row in rows]
