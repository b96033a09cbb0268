"""API responses about jobs that are not submitted yet."""

from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field

from deployments.api.schemas.problems import FieldProblem
from videojobs.states import Stage


class StageEstimate(BaseModel):
    """What one paid stage is expected to cost and to take."""

    stage: Stage
    usd: Decimal | None = Field(description="Null: it has no price in US dollars.", examples=["0.4725"])
    points: Decimal | None = Field(description="Null: it has no price in points.")
    result_seconds: float = Field(description="Longest possible result, which the price depends on.", examples=[9.45])
    price_basis: str = Field(examples=["price list"])
    expected_minutes: float | None = Field(description="Null: too few deliveries are known.", examples=[1.5])
    deliveries: int = Field(ge=0, description="Deliveries of the last 7 days that `expected_minutes` is measured on.")


class AmountTotal(BaseModel):
    """A sum over all stages. A stage without a price in a unit counts as 0 in it."""

    usd: Decimal = Field(examples=["0.4725"])
    points: Decimal


class BudgetLeft(BaseModel):
    """What the budgets of this service still allow. Null: there is no such budget."""

    job_usd: Decimal | None = Field(description="For one job.", examples=["20"])
    job_points: Decimal | None = Field(description="For one job.")
    today_usd: Decimal | None = Field(description="For all jobs until 00:00 UTC.", examples=["310.5"])
    today_points: Decimal | None = Field(description="For all jobs until 00:00 UTC.")


class JobEstimate(BaseModel):
    """What a request would cost, how long it would take, and what is wrong with it. Nothing was started or stored."""

    problems: list[FieldProblem] = Field(
        description="Why the request would be refused, or its job would fail before anything is paid for. 100 at most."
    )
    omitted_problems: int = Field(description="How many more problems there are than `problems` lists.")
    unknown: list[str] = Field(
        description="What could not be examined, and why. Then prices are null, and there may be more problems."
    )
    stages: list[StageEstimate] | None = Field(description="Null if the files have problems or could not be examined.")
    total: AmountTotal | None
    currency: Literal["USD"] = Field(default="USD", description="Of all fields `usd`.")
    expected_minutes: float | None = Field(
        description="At the vendors, without waiting for a free place. Null: not known.", examples=[1.5]
    )
    minutes_basis: str = Field(examples=["the vendors' median time per second of result, last 7 days"])
    budget_left: BudgetLeft
