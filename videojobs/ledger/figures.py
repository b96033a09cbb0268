"""How all jobs together stand, for whoever watches over them. Each is one query over a bounded part of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import func, select

from videojobs.ledger.books import NOW, Books
from videojobs.ledger.tables import Submission, VideoJob
from videojobs.states import ENDED, UNFINISHED, Point, Stage, Status

DAY: Final = timedelta(days=1)  # what is old tells nothing of how things go now

_AGE: Final = func.extract("epoch", NOW - func.min(VideoJob.created_at))
_TOOK: Final = func.extract("epoch", Submission.ended_at - Submission.accepted_at)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Jobs that stand at the same point, in the same way."""

    status: Status
    point: Point
    parked: bool
    count: int
    oldest_seconds: float  # since it was opened


@dataclass(frozen=True, slots=True)
class Submitted:
    """Submissions of the last day that stand alike. Seconds are from acceptance to end; None if none ended."""

    stage: Stage
    state: str
    count: int
    median_seconds: float | None
    slow_seconds: float | None  # 95 of 100 took less


class Figures(Books):
    """Counting, nothing else."""

    async def unfinished(self) -> Sequence[Unfinished]:
        """All jobs that have not ended."""
        parked = VideoJob.parked_reason.is_not(None)
        query = (
            select(VideoJob.status, VideoJob.recovery_point, parked, func.count(), _AGE)
            .where(VideoJob.status.in_(UNFINISHED))
            .group_by(VideoJob.status, VideoJob.recovery_point, parked)
        )
        async with self._reading() as session:
            rows = (await session.execute(query)).all()
        return [
            Unfinished(Status(status), Point(point), is_parked, count, float(age))
            for status, point, is_parked, count, age in rows
        ]

    async def ended_lately(self) -> dict[Status, int]:
        """Jobs that ended within the last day."""
        query = select(VideoJob.status, func.count()).where(VideoJob.status.in_(ENDED), VideoJob.updated_at > NOW - DAY)
        async with self._reading() as session:
            rows = (await session.execute(query.group_by(VideoJob.status))).all()
        return {Status(status): count for status, count in rows}

    async def submitted_lately(self) -> Sequence[Submitted]:
        """Paid calls that were intended within the last day."""
        shares = [func.percentile_cont(share).within_group(_TOOK) for share in (0.5, 0.95)]
        query = (
            select(Submission.stage, Submission.state, func.count(), *shares)
            .where(Submission.intended_at > NOW - DAY)
            .group_by(Submission.stage, Submission.state)
        )
        async with self._reading() as session:
            rows = (await session.execute(query)).all()
        return [Submitted(Stage(stage), state, count, median, slow) for stage, state, count, median, slow in rows]
