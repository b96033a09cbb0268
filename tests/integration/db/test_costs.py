"""The expected cost of a job, and the budgets that reject it."""

from decimal import Decimal
from typing import get_args

import pytest
from pydantic import ValidationError

from tests.support.measured_facts import audio_facts, video_facts
from videojobs.errors import BudgetExceeded
from videojobs.pipeline.cost_estimate import estimate_from_prices
from videojobs.pipeline.costs import (
    UNLIMITED_BUDGET,
    Amount,
    BudgetSettings,
    Cost,
    CostEstimate,
    Spend,
)
from videojobs.pipeline.facts import JobFacts
from videojobs.providers.registry import provider_for_stage
from videojobs.requests.models import JobRequest, LipSyncModel
from videojobs.requests.parsing import parse_request
from videojobs.states import Stage

NO_SPEND = Spend(job=Amount(), today=Amount())


def make_cost_request(*, areas: int = 1, mode: str = "remap", model: str = "lipsync-2-pro") -> JobRequest:
    """One segment of two seconds."""
    area = {"kind": "erasure", "x": 0.1, "y": 0.2, "w": 0.3, "h": 0.3, "start": 5, "end": 6}
    return parse_request(
        {
            "video": "s3://bucket/v.mp4",
            "audio": [{"refId": "a", "source": "s3://bucket/a.wav"}],
            "segments": [{"startTime": 2, "endTime": 4, "audioInput": {"refId": "a"}}],
            "effects": [area] * areas,
            "user_id": "ada",
            "options": {"model": model, "sync_mode": mode},
        }
    )


def lip_sync_cost(model: LipSyncModel, seconds: float) -> Cost:
    return provider_for_stage(Stage.LIP_SYNC).estimate(make_cost_request(model=model), seconds)


def text_removal_cost(seconds: float) -> Cost:
    return provider_for_stage(Stage.TEXT_REMOVAL).estimate(make_cost_request(), seconds)


def make_facts(*, audio: float, video: float = 10.0) -> JobFacts:
    return JobFacts(video=video_facts(duration=video), audio={"a": audio_facts(duration=audio)})


def amount_in_usd(amount: str) -> Amount:
    return Amount(usd=Decimal(amount))


def amount_in_points(amount: str) -> Amount:
    return Amount(points=Decimal(amount))


# ---- estimates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", get_args(LipSyncModel))
def test_every_offered_model_has_a_price(model: LipSyncModel) -> None:
    assert lip_sync_cost(model, 10).amount.usd > 0


def test_lip_sync_is_priced_per_started_second_of_result() -> None:
    assert lip_sync_cost("lipsync-2-pro", 9.123) == Cost(usd=Decimal("0.7573"), seconds=9.123, basis="price list")


@pytest.mark.parametrize(("seconds", "cost"), [(0.5, 1), (60, 1), (60.1, 2), (899, 15)])
def test_text_removal_costs_a_point_per_started_minute(seconds: float, cost: int) -> None:
    assert text_removal_cost(seconds).points == cost


def test_a_point_price_gives_text_removal_a_dollar_price(monkeypatch: pytest.MonkeyPatch) -> None:
    assert text_removal_cost(90).usd is None
    monkeypatch.setenv("VIDEOJOBS_PRICE_USD_PER_POINT", "0.15")
    assert text_removal_cost(90).usd == Decimal("0.30")


@pytest.mark.parametrize(
    ("audio", "seconds"),
    [
        (5.0, 13.0),  # the segment of two seconds grows to five
        (1.0, 10.0),  # it would shrink if the vendor re-times at all
    ],
)
def test_the_longest_possible_result_is_priced(audio: float, seconds: float) -> None:
    estimate = estimate_from_prices(make_cost_request(), make_facts(audio=audio))
    assert {cost.seconds for cost in estimate.root.values()} == {seconds}


def test_the_estimate_counts_the_segments_as_they_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = make_facts(audio=5.0, video=4.0)  # the segment ends with the video
    assert estimate_from_prices(make_cost_request(), facts)[Stage.LIP_SYNC].seconds == 7.05
    monkeypatch.setenv("VIDEOJOBS_LIMIT_END_MARGIN_SECONDS", "0.1")
    assert estimate_from_prices(make_cost_request(), facts)[Stage.LIP_SYNC].seconds == 7.1


def test_without_areas_no_text_removal_is_priced() -> None:
    estimate = estimate_from_prices(make_cost_request(areas=0), make_facts(audio=2.0))
    assert set(estimate.root) == {Stage.LIP_SYNC}
    assert estimate.total == amount_in_usd("0.83")


def test_both_stages_are_added_up() -> None:
    estimate = estimate_from_prices(make_cost_request(), make_facts(audio=2.0))
    assert str(estimate.total) == "0.83 USD and 1 point"


def test_an_estimate_round_trips_through_json() -> None:
    estimate = estimate_from_prices(make_cost_request(), make_facts(audio=2.0))
    assert CostEstimate.model_validate(estimate.to_json()) == estimate
    assert estimate.to_json()["lip_sync"]["usd"] == "0.8300"


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (Amount(), "0 USD"),
        (amount_in_usd("0.4725"), "0.4725 USD"),
        (amount_in_usd("100"), "100 USD"),
        (amount_in_points("1"), "1 point"),
        (amount_in_usd("3.10") + amount_in_points("2.5"), "3.1 USD and 2.5 points"),
        (amount_in_usd("0.333333333"), "0.3334 USD"),
    ],
)
def test_amounts_are_formatted_for_people(amount: Amount, words: str) -> None:
    assert str(amount) == words


# ---- budgets -------------------------------------------------------------------------------------------------


def test_without_a_budget_everything_is_allowed() -> None:
    dear = Amount(Decimal(10**9), Decimal(10**9))
    BudgetSettings().enforce(dear, Spend(dear, dear))
    UNLIMITED_BUDGET.enforce(dear, Spend(dear, dear))


@pytest.mark.parametrize(
    ("budget", "cost", "spent"),
    [
        (
            BudgetSettings(job_usd=Decimal(3)),
            amount_in_usd("1.01"),
            Spend(job=amount_in_usd("2"), today=amount_in_usd("2")),
        ),
        (
            BudgetSettings(job_points=Decimal(3)),
            amount_in_points("2"),
            Spend(job=amount_in_points("2"), today=amount_in_points("2")),
        ),
        (BudgetSettings(day_usd=Decimal(3)), amount_in_usd("1.01"), Spend(job=Amount(), today=amount_in_usd("2"))),
        (
            BudgetSettings(day_points=Decimal(3)),
            amount_in_points("2"),
            Spend(job=Amount(), today=amount_in_points("2")),
        ),
    ],
    ids=["JOB_USD", "JOB_POINTS", "DAY_USD", "DAY_POINTS"],
)
def test_an_exceeded_budget_is_refused_by_name(
    budget: BudgetSettings, cost: Amount, spent: Spend, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(BudgetExceeded, match=f"VIDEOJOBS_BUDGET_{request.node.callspec.id}"):
        budget.enforce(cost, spent)


def test_a_cost_that_exactly_fills_a_budget_is_allowed() -> None:
    BudgetSettings(day_usd=Decimal(3)).enforce(amount_in_usd("1"), Spend(job=Amount(), today=amount_in_usd("2")))


def test_a_full_budget_allows_costs_in_another_unit() -> None:
    BudgetSettings(day_points=Decimal(0)).enforce(amount_in_usd("1"), Spend(job=Amount(), today=amount_in_points("5")))


def test_a_budget_refusal_shows_the_amounts_and_what_to_do() -> None:
    with pytest.raises(BudgetExceeded) as refusal:
        BudgetSettings(day_usd=Decimal("3.00")).enforce(
            amount_in_usd("0.4725"), Spend(job=Amount(), today=amount_in_usd("2.9"))
        )
    assert str(refusal.value) == (
        "Not bought, because it would exceed a budget: expected cost 0.4725 USD, already committed today 2.9 USD, "
        "allowed 3 USD (VIDEOJOBS_BUDGET_DAY_USD). Raise that budget or wait until 00:00 UTC, then decide `retry` "
        "with the deployment `resolve-job`"
    )


def test_a_too_expensive_job_is_not_advised_to_wait() -> None:
    with pytest.raises(BudgetExceeded, match=r"Raise that budget, then decide `retry`"):
        BudgetSettings(job_usd=Decimal("0.10")).enforce(amount_in_usd("0.4725"), NO_SPEND)


def test_budgets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (BudgetSettings().has_job_limit, BudgetSettings().has_daily_limit) == (False, False)
    monkeypatch.setenv("VIDEOJOBS_BUDGET_JOB_USD", "")
    monkeypatch.setenv("VIDEOJOBS_BUDGET_DAY_POINTS", "12.5")
    assert BudgetSettings().day_points == Decimal("12.5")
    assert (BudgetSettings().has_job_limit, BudgetSettings().has_daily_limit) == (False, True)


@pytest.mark.parametrize("amount", ["-1", "nan", "Infinity", "much"])
def test_a_budget_that_is_no_amount_is_refused(amount: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_BUDGET_DAY_USD", amount)
    with pytest.raises(ValidationError, match="day_usd"):
        BudgetSettings()
