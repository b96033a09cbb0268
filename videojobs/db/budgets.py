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

from videojobs.db.models import Json, Submission, SubmissionState, VideoJob
from videojobs.db.repository_base import NOW, Lease, RepositoryBase, add_event, load_job
from videojobs.pipeline.costs import Amount, BudgetSettings, Cost, Spend
from videojobs.states import Stage

# Jobs that buy at the same time must see each other. Any constant serves that nothing else locks (see `migrate`).
_DAILY_BUDGET_LOCK_ID: Final = 7_302_115

_SPENT_POINTS: Final = func.coalesce(Submission.paid_points, Submission.estimated_points)
# Dollars follow the points that were really paid, in proportion; where no points are known, they are the estimate.
_SPENT_USD: Final = func.coalesce(
    Submission.estimated_usd * Submission.paid_points / func.nullif(Submission.estimated_points, 0),
    Submission.estimated_usd,
)
_INTENDED_TODAY: Final = Submission.intended_at >= func.date_trunc("day", NOW, "UTC")


class SpendTracking(RepositoryBase):
    """What a job is expected to cost, and what is booked already."""

    async def record_estimate(self, lease: Lease, estimate: Json) -> VideoJob:
        """Record what the job is expected to cost. The first estimate stays: budgets were checked with it."""
        async with self._locked_job("record_estimate", lease) as (session, job):
            if job.estimate is None:
                job.estimate = estimate
                add_event(session, job, lease.holder, "estimated", estimate)
            return job

    async def current_spend(self, job_id: str) -> Spend:
        """What is spent, or may be: for this job, and for all jobs today (UTC, by the database's clock)."""
        async with self._read_session() as session:
            return await _load_spend(session, (await load_job(session, job_id)).id)

    async def spend_today(self) -> dict[Stage, Amount]:
        """What is spent today, or may be, for each paid step."""
        sums = select(Submission.stage, func.sum(_SPENT_USD), func.sum(_SPENT_POINTS)).group_by(Submission.stage)
        async with self._read_session() as session:
            rows = (
                await session.execute(sums.where(_INTENDED_TODAY, Submission.state != SubmissionState.REFUSED))
            ).all()
        return {stage: Amount(usd or Decimal(0), points or Decimal(0)) for stage, usd, points in rows}


async def enforce_budget(session: AsyncSession, submission: Submission, cost: Cost, budget: BudgetSettings) -> None:
    """Enter the expected cost of a new submission, not yet in the database. Raises BudgetExceeded.

    With a budget of the day, whoever buys next waits here until this transaction has ended. The job's row is locked
    before this lock, and nothing is locked after it, so nobody waits in a circle.
    """
    submission.estimated_usd, submission.estimated_points = cost.usd, cost.points
    if budget.has_daily_limit:
        await session.execute(select(func.pg_advisory_xact_lock(_DAILY_BUDGET_LOCK_ID)))
    if budget.has_daily_limit or budget.has_job_limit:
        budget.enforce(cost.amount, await _load_spend(session, submission.job_id))


async def _load_spend(session: AsyncSession, job_id: str) -> Spend:
    return Spend(
        job=await _sum_spend(session, Submission.job_id == job_id), today=await _sum_spend(session, _INTENDED_TODAY)
    )


async def _sum_spend(session: AsyncSession, condition: ColumnElement[bool]) -> Amount:
    sums = select(func.sum(_SPENT_USD), func.sum(_SPENT_POINTS))
    usd, points = (await session.execute(sums.where(condition, Submission.state != SubmissionState.REFUSED))).one()
    return Amount(usd or Decimal(0), points or Decimal(0))
