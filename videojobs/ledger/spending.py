"""What is booked for a job and for the day, and the budgets that it is held against.

What counts, once it is intended, on the day of that: everything but what the vendor surely refused. A submission that
waits for its vendor counts, since it is sent as soon as the vendor lets it, and nobody asks about the budget again.
One that failed or was written off counts, since it may have been paid. Where the vendor has told what it took (it may
be nothing, for a failure), that is what counts; else the estimate.
"""

from decimal import Decimal
from typing import Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from videojobs.costs import Amount, Booked, Budget, Cost
from videojobs.ledger.books import NOW, Books, Lease, get, note
from videojobs.ledger.tables import Json, Submission, SubmissionState, VideoJob
from videojobs.states import Stage

# Jobs that buy at the same time must see each other. Any constant serves that nothing else locks (see `migrate`).
_DAY_LOCK: Final = 7_302_115

_POINTS: Final = func.coalesce(Submission.paid_points, Submission.estimated_points)
# Dollars follow the points that were really paid, in proportion; where no points are known, they are the estimate.
_USD: Final = func.coalesce(
    Submission.estimated_usd * Submission.paid_points / func.nullif(Submission.estimated_points, 0),
    Submission.estimated_usd,
)
_TODAY: Final = Submission.intended_at >= func.date_trunc("day", NOW, "UTC")


class Spending(Books):
    """What a job is expected to cost, and what is booked already."""

    async def estimate(self, lease: Lease, estimate: Json) -> VideoJob:
        """Record what the job is expected to cost. The first estimate stays: budgets were checked with it."""
        async with self._held("estimate", lease) as (session, job):
            if job.estimate is None:
                job.estimate = estimate
                note(session, job, lease.holder, "estimated", estimate)
            return job

    async def booked(self, job_id: str) -> Booked:
        """What is spent, or may be: for this job, and for all jobs today (UTC, by the database's clock)."""
        async with self._reading() as session:
            return await _booked(session, (await get(session, job_id)).id)

    async def spent_today(self) -> dict[Stage, Amount]:
        """What is spent today, or may be, for each paid step."""
        sums = select(Submission.stage, func.sum(_USD), func.sum(_POINTS)).group_by(Submission.stage)
        async with self._reading() as session:
            rows = (await session.execute(sums.where(_TODAY, Submission.state != SubmissionState.REFUSED))).all()
        return {Stage(stage): Amount(usd or Decimal(0), points or Decimal(0)) for stage, usd, points in rows}


async def keep_within(session: AsyncSession, submission: Submission, cost: Cost, budget: Budget) -> None:
    """Enter the expected cost of a new submission, not yet in the database. Raises BudgetExceeded.

    With a budget of the day, whoever buys next waits here until this transaction has ended. The job's row is locked
    before this lock, and nothing is locked after it, so nobody waits in a circle.
    """
    submission.estimated_usd, submission.estimated_points = cost.usd, cost.points
    if budget.limits_the_day:
        await session.execute(select(func.pg_advisory_xact_lock(_DAY_LOCK)))
    if budget.limits_the_day or budget.limits_the_job:
        budget.check(cost.amount, await _booked(session, submission.job_id))


async def _booked(session: AsyncSession, job_id: str) -> Booked:
    return Booked(job=await _sum(session, Submission.job_id == job_id), today=await _sum(session, _TODAY))


async def _sum(session: AsyncSession, which: ColumnElement[bool]) -> Amount:
    sums = select(func.sum(_USD), func.sum(_POINTS))
    usd, points = (await session.execute(sums.where(which, Submission.state != SubmissionState.REFUSED))).one()
    return Amount(usd or Decimal(0), points or Decimal(0))
