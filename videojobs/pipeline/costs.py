"""Costs and budgets, in US dollars and in points.

A cost without a price in a unit counts as zero in it. The estimate of a job is made before anything is bought
(`videojobs.pipeline.cost_estimate`) and stored with the job; each submission reserves its part of it
(`videojobs.db.budgets`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic_settings import SettingsConfigDict

from videojobs.errors import BudgetExceeded
from videojobs.settings import Settings
from videojobs.states import Stage

Money = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]

PRICE_LIST: Final = "price list"  # the basis of a cost that is not the vendor's own estimate
COST_QUANTUM: Final = Decimal("0.0001")  # costs are rounded up to it; vendors' own figures have four decimals


@dataclass(frozen=True, slots=True)
class Amount:
    """A sum of money. A cost without a price in a unit counts as 0."""

    usd: Decimal = Decimal(0)
    points: Decimal = Decimal(0)

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.usd + other.usd, self.points + other.points)

    def __str__(self) -> str:
        parts = [_format_usd(self.usd)] if self.usd or not self.points else []
        return " and ".join(parts + ([format_points(self.points)] if self.points else []))


def _format_usd(amount: Decimal) -> str:
    return f"{_format_decimal(amount)} USD"


def format_points(amount: Decimal) -> str:
    """`1 point`, `2.5 points`."""
    return "1 point" if amount == 1 else f"{_format_decimal(amount)} points"


def _format_decimal(amount: Decimal) -> str:
    """`0.4725`, `3`: no exponents, no trailing zeros."""
    text = f"{amount.quantize(COST_QUANTUM, ROUND_UP):f}"
    return text.rstrip("0").rstrip(".")


class Cost(BaseModel):
    """The expected cost of one paid call. None: it has no price in that unit."""

    model_config = ConfigDict(frozen=True)

    usd: Money | None = None
    points: Money | None = None
    seconds: float  # duration of the result, which the price depends on
    basis: str = PRICE_LIST  # or whose estimate it is

    @property
    def amount(self) -> Amount:
        return Amount(self.usd or Decimal(0), self.points or Decimal(0))


def round_up(price: Decimal, seconds: float) -> Decimal:
    """The cost of `seconds` at this price per second."""
    return (price * Decimal(str(seconds))).quantize(COST_QUANTUM, ROUND_UP)


class CostEstimate(RootModel[dict[Stage, Cost]]):
    """The expected cost of a job by the paid stages that it has."""

    model_config = ConfigDict(frozen=True)

    def __getitem__(self, stage: Stage) -> Cost:
        return self.root[stage]

    @property
    def total(self) -> Amount:
        return sum((cost.amount for cost in self.root.values()), start=Amount())

    def to_json(self) -> dict[str, Any]:
        """As JSON; amounts are strings, because JSON numbers would be rounded."""
        plain: dict[str, Any] = self.model_dump(mode="json", exclude_none=True)
        return plain


# ---- budgets -------------------------------------------------------------------------------------------------


class Spend(NamedTuple):
    """What is spent or committed: for one job, and for all jobs since 00:00 UTC."""

    job: Amount
    today: Amount


class BudgetSettings(Settings):
    """Spending limits: `VIDEOJOBS_BUDGET_...`. Unset: no limit. Checked before each paid call, by its estimate."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_BUDGET_")

    job_usd: Money | None = None
    """US dollars for one job, over all its purchases."""

    job_points: Money | None = None
    """Points for one job."""

    day_usd: Money | None = None
    """US dollars for all jobs together from 00:00 to 24:00 UTC: one and the same day for workers everywhere."""

    day_points: Money | None = None
    """Points for all jobs together from 00:00 to 24:00 UTC."""

    @property
    def has_job_limit(self) -> bool:
        return (self.job_usd, self.job_points) != (None, None)

    @property
    def has_daily_limit(self) -> bool:
        return (self.day_usd, self.day_points) != (None, None)

    def enforce(self, amount: Amount, spend: Spend) -> None:
        """Raises BudgetExceeded if `amount` on top of `spend` exceeds a budget."""
        for limit in self._limits(amount, spend):
            if limit.allowed is not None and limit.requested > 0 and limit.spent + limit.requested > limit.allowed:
                raise BudgetExceeded(limit.error_message())

    def _limits(self, amount: Amount, spend: Spend) -> Iterator["_BudgetLimit"]:
        yield _BudgetLimit("JOB_USD", self.job_usd, amount.usd, spend.job.usd)
        yield _BudgetLimit("JOB_POINTS", self.job_points, amount.points, spend.job.points)
        yield _BudgetLimit("DAY_USD", self.day_usd, amount.usd, spend.today.usd)
        yield _BudgetLimit("DAY_POINTS", self.day_points, amount.points, spend.today.points)


UNLIMITED_BUDGET: Final = BudgetSettings.model_construct()


@dataclass(frozen=True, slots=True)
class _BudgetLimit:
    name: Literal["JOB_USD", "JOB_POINTS", "DAY_USD", "DAY_POINTS"]
    allowed: Decimal | None
    requested: Decimal
    spent: Decimal

    def error_message(self) -> str:
        """Names the budget, by how much it is exceeded, and what to do."""
        format_amount = _format_usd if self.name.endswith("USD") else format_points
        scope, wait = ("today", " or wait until 00:00 UTC,") if self.name.startswith("DAY") else ("for this job", ",")
        return (
            f"Not bought, because it would exceed a budget: expected cost {format_amount(self.requested)}, "
            f"already committed {scope} {format_amount(self.spent)}, "
            f"allowed {format_amount(self.allowed or Decimal(0))} (VIDEOJOBS_BUDGET_{self.name}). "
            f"Raise that budget{wait} then decide `retry` with the deployment `resolve-job`"
        )
