"""Spending per job and per day, and the check against budgets.

A submission counts from its intent on, on the day of its intent, unless the vendor refused it. A waiting submission
counts, because it is sent without another budget check. A failed or written-off one counts, because it may have been
paid. The amount is what the vendor reported (which may be 0 for a failure), else the estimate.
"""

from decimal import Decimal
from typing import Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from videojobs.db.models import JobEventKind, Json, Submission, SubmissionState, VideoJob
from videojobs.db.repository_base import NOW, Lease, RepositoryBase, add_event, load_job
from videojobs.pipeline.costs import Amount, BudgetSettings, Cost, Spend

# Jobs that buy at the same time must see each other. Any constant that nothing else locks will do (see `migrate`).
_DAILY_BUDGET_LOCK_ID: Final = 7_302_115

_SPENT_POINTS: Final = func.coalesce(Submission.paid_points, Submission.estimated_points)
# Dollars are scaled by paid points over estimated points; without reported points, they are the estimate.
_SPENT_USD: Final = func.coalesce(
    Submission.estimated_usd * Submission.paid_points / func.nullif(Submission.estimated_points, 0),
    Submission.estimated_usd,
)
_INTENDED_TODAY: Final = Submission.intended_at >= func.date_trunc("day", NOW, "UTC")


class SpendTracking(RepositoryBase):
    """Estimates and spending."""

    async def record_estimate(self, lease: Lease, estimate: Json) -> VideoJob:
        """Record the cost estimate. The first one stays: budgets were checked with it."""
        async with self._locked_job("record_estimate", lease) as (session, job):
            if job.estimate is None:
                job.estimate = estimate
                add_event(session, job, lease.holder, JobEventKind.ESTIMATED, estimate)
            return job

    async def current_spend(self, job_id: str) -> Spend:
        """Spent or committed: for this job, and for all jobs today (UTC, by the database's clock)."""
        async with self._read_session() as session:
            return await _load_spend(session, (await load_job(session, job_id)).id)

    async def spend_today(self) -> dict[str, Amount]:
        """Spent or committed today, by provider."""
        sums = select(Submission.provider, func.sum(_SPENT_USD), func.sum(_SPENT_POINTS)).group_by(Submission.provider)
        async with self._read_session() as session:
            rows = (
                await session.execute(sums.where(_INTENDED_TODAY, Submission.state != SubmissionState.REFUSED))
            ).all()
        return {provider: Amount(usd or Decimal(0), points or Decimal(0)) for provider, usd, points in rows}


async def enforce_budget(session: AsyncSession, submission: Submission, cost: Cost, budget: BudgetSettings) -> None:
    """Set the expected cost of a new submission that is not in the database yet. Raises BudgetExceeded.

    With a daily budget, purchases are serialised here until the transaction ends. The job's row is locked before this
    lock and nothing after it, so there is no deadlock.
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
