"""Estimates as the API shows them."""

from decimal import Decimal
from typing import Final

from deployments.api.errors import MAX_PROBLEMS, to_field_problems
from deployments.api.jobs.estimate import Estimate
from deployments.api.schemas.estimates import AmountTotal, BudgetLeft, JobEstimate, StageEstimate
from deployments.api.schemas.problems import FieldProblem
from videojobs.pipeline.costs import BudgetSettings

_MEASURED: Final = "the vendors' median time per second of result, last 7 days"
_NOT_MEASURED: Final = "not known: too few deliveries in the last 7 days"
_NOT_EXAMINED: Final = "not known: the lengths of the files are not known"


def to_job_estimate(estimate: Estimate) -> JobEstimate:
    """The response."""
    stages = _to_stages(estimate)
    minutes = [stage.expected_minutes for stage in stages or ()]
    known = [each for each in minutes if each is not None]
    is_complete = bool(minutes) and len(known) == len(minutes)
    total = estimate.costs.total if estimate.costs is not None else None
    return JobEstimate(
        problems=[FieldProblem.model_validate(item) for item in to_field_problems(estimate.problems)],
        omitted_problems=max(0, len(estimate.problems) - MAX_PROBLEMS),
        unknown=estimate.unknown,
        stages=stages,
        total=AmountTotal(usd=total.usd, points=total.points) if total is not None else None,
        expected_minutes=round(sum(known), 1) if is_complete else None,
        minutes_basis=_MEASURED if is_complete else _NOT_EXAMINED if stages is None else _NOT_MEASURED,
        budget_left=_to_budget_left(estimate),
    )


def _to_stages(estimate: Estimate) -> list[StageEstimate] | None:
    if estimate.costs is None:
        return None
    return [
        StageEstimate(
            stage=stage,
            usd=cost.usd,
            points=cost.points,
            result_seconds=cost.seconds,
            price_basis=cost.basis,
            expected_minutes=estimate.stage_minutes(stage),
            deliveries=pace.count if (pace := estimate.paces.get(stage)) else 0,
        )
        for stage, cost in estimate.costs.root.items()
    ]


def _to_budget_left(estimate: Estimate) -> BudgetLeft:
    budget, spent = BudgetSettings.current(), estimate.spent_today
    return BudgetLeft(
        job_usd=budget.job_usd,
        job_points=budget.job_points,
        today_usd=_left(budget.day_usd, spent.usd),
        today_points=_left(budget.day_points, spent.points),
    )


def _left(allowed: Decimal | None, spent: Decimal) -> Decimal | None:
    return None if allowed is None else max(Decimal(0), allowed - spent)
