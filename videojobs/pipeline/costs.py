"""Cost estimates and budgets.

Sync.so charges US dollars per second of its result, GhostCut charges points. The estimate is made before anything is
bought and stored with the job; each submission records its part of it (`videojobs.db.budgets`).

A budget is in dollars or in points. A cost without a price in that unit counts as 0: text removal counts in dollars
only if `VIDEOJOBS_PRICE_USD_PER_POINT` is set.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic_settings import SettingsConfigDict

from videojobs.errors import BudgetExceeded
from videojobs.pipeline.facts import JobFacts
from videojobs.pipeline.segment_adjustment import fit_request_segments
from videojobs.pipeline.timeline import predict_timeline, segment_audio
from videojobs.requests.models import JobRequest, LipSyncModel
from videojobs.settings import LimitSettings, Settings
from videojobs.states import Stage

Money = Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]
CostBasis = Literal["Sync.so's own estimate", "price list"]

COST_QUANTUM: Final = Decimal("0.0001")  # costs are rounded up to it; Sync.so's figures have four decimals


class PriceSettings(Settings):
    """What the vendors charge: `VIDEOJOBS_PRICE_...`. Dollars for each second of the result; the upper end of the
    published range, which depends on the plan (Sync.so 8)."""

    model_config = SettingsConfigDict(env_prefix="VIDEOJOBS_PRICE_")

    lipsync_2: Money = Decimal("0.05")
    """Sync.so 8: 0.04 to 0.05."""

    lipsync_2_pro: Money = Decimal("0.083")
    """Sync.so 8: 0.067 to 0.083."""

    lipsync_1_9_0_beta: Money = Decimal("0.025")
    """Sync.so 8: 0.02 to 0.025."""

    sync_3: Money = Decimal("0.133")
    """Sync.so 8: 0.107 to 0.133."""

    seconds_per_point: float = Field(default=60, gt=0, le=86_400)
    """Seconds per GhostCut point, rounded up. It is not published; a clip of 3 s and one of 12 s cost one point each
    (GhostCut 9), so it is 12 s or more, and such prices are usually by the minute. Each run's artifact shows the paid
    points beside the estimate: correct this if they differ."""

    usd_per_point: Money | None = None
    """The price of a point in your package. Unset: text removal counts in points only."""

    def usd_per_second(self, model: LipSyncModel) -> Decimal:
        """Dollars per second of the model's result."""
        return {
            "lipsync-2": self.lipsync_2,
            "lipsync-2-pro": self.lipsync_2_pro,
            "lipsync-1.9.0-beta": self.lipsync_1_9_0_beta,
            "sync-3": self.sync_3,
        }[model]


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
    """The expected cost of one paid call and its source. None: no price in that unit."""

    model_config = ConfigDict(frozen=True)

    usd: Money | None = None
    points: Money | None = None
    seconds: float  # length of the result, which the price depends on
    basis: CostBasis

    @property
    def amount(self) -> Amount:
        return Amount(self.usd or Decimal(0), self.points or Decimal(0))


class CostEstimate(RootModel[dict[Stage, Cost]]):
    """The expected cost of a job by paid stage; text removal only if there are areas."""

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


# ---- the price list ------------------------------------------------------------------------------------------


def estimate_from_prices(request: JobRequest, facts: JobFacts, prices: PriceSettings) -> CostEstimate:
    """The cost by length and model. Needs the facts of the inputs."""
    seconds = max_result_seconds(request, facts)
    costs = {Stage.LIP_SYNC: lip_sync_cost(request.options.model, seconds, prices)}
    if request.effects:
        costs[Stage.TEXT_REMOVAL] = text_removal_cost(seconds, prices)
    return CostEstimate(costs)


def max_result_seconds(request: JobRequest, facts: JobFacts) -> float:
    """The longest possible lip-sync result. Whether the vendor re-times segments is known only afterwards
    (`videojobs.pipeline.timeline`), so this is the longer of both cases."""
    source = facts.source_video.duration
    timed = segment_audio(fit_request_segments(request, facts, LimitSettings.current()).segments, facts.audio_durations)
    predicted = predict_timeline(source, timed, request.options.sync_mode)
    return round(max(source, predicted.result_duration), 3)


def lip_sync_cost(model: LipSyncModel, seconds: float, prices: PriceSettings) -> Cost:
    """By the length of the result, rounded up."""
    usd = (prices.usd_per_second(model) * Decimal(str(seconds))).quantize(COST_QUANTUM, ROUND_UP)
    return Cost(usd=usd, seconds=seconds, basis="price list")


def text_removal_cost(seconds: float, prices: PriceSettings) -> Cost:
    """One point per started unit of length."""
    points = Decimal(max(1, math.ceil(seconds / prices.seconds_per_point)))
    usd = None if prices.usd_per_point is None else points * prices.usd_per_point
    return Cost(usd=usd, points=points, seconds=seconds, basis="price list")


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
    """GhostCut points for one job."""

    day_usd: Money | None = None
    """US dollars for all jobs together from 00:00 to 24:00 UTC: one and the same day for workers everywhere."""

    day_points: Money | None = None
    """GhostCut points for all jobs together from 00:00 to 24:00 UTC."""

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
        before, wait = (
            ("today", " or wait until 00:00 UTC,") if self.name.startswith("DAY") else ("for this job before", ",")
        )
        return (
            f"Not bought, since it would go over a budget: expected cost {format_amount(self.requested)}, "
            f"booked {before} {format_amount(self.spent)}, allowed {format_amount(self.allowed or Decimal(0))} "
            f"(VIDEOJOBS_BUDGET_{self.name}). Raise that budget{wait} then decide `retry` with the "
            "deployment `resolve-job`"
        )
