"""What a job is expected to cost, and which budgets refuse it."""

from decimal import Decimal
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from videojobs.costs import (
    UNLIMITED,
    Amount,
    Booked,
    Budget,
    Cost,
    Estimate,
    Prices,
    by_price_list,
    expected,
    lip_sync_cost,
    text_removal_cost,
)
from videojobs.errors import BudgetExceeded
from videojobs.intake import parse_request
from videojobs.request import JobRequest, Model, canonical
from videojobs.states import Stage

NOTHING = Booked(job=Amount(), today=Amount())


def a_request(*, areas: int = 1, mode: str = "remap") -> JobRequest:
    """One segment of two seconds."""
    area = {"kind": "erasure", "x": 0.1, "y": 0.2, "w": 0.3, "h": 0.3, "start": 5, "end": 6}
    return parse_request(
        {
            "video": "s3://bucket/v.mp4",
            "audio": [{"refId": "a", "source": "s3://bucket/a.wav"}],
            "segments": [{"startTime": 2, "endTime": 4, "audioInput": {"refId": "a"}}],
            "effects": [area] * areas,
            "user_id": "ada",
            "options": {"model": "lipsync-2-pro", "sync_mode": mode},
        }
    )


def measured(*, audio: float, video: float = 10.0) -> dict[str, Any]:
    return {"video": {"duration": video, "frame_rate": 25.0}, "audio": {"a": {"duration": audio}}}


def usd(amount: str) -> Amount:
    return Amount(usd=Decimal(amount))


def points(amount: str) -> Amount:
    return Amount(points=Decimal(amount))


# ---- estimates -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", get_args(Model))
def test_every_model_that_can_be_asked_for_has_a_price(model: Model) -> None:
    assert lip_sync_cost(model, 10, Prices()).amount.usd > 0


def test_a_lip_sync_costs_by_the_second_of_its_result_rounded_up() -> None:
    assert lip_sync_cost("lipsync-2-pro", 9.123, Prices()) == Cost(
        usd=Decimal("0.7573"), seconds=9.123, basis="price list"
    )


@pytest.mark.parametrize(("seconds", "cost"), [(0.5, 1), (60, 1), (60.1, 2), (899, 15)])
def test_a_text_removal_costs_a_point_for_each_minute_that_is_begun(seconds: float, cost: int) -> None:
    assert text_removal_cost(seconds, Prices()).points == cost


def test_text_removal_has_a_price_in_dollars_where_a_point_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert text_removal_cost(90, Prices()).usd is None
    monkeypatch.setenv("VIDEOJOBS_PRICE_USD_PER_POINT", "0.15")
    assert text_removal_cost(90, Prices()).usd == Decimal("0.30")


@pytest.mark.parametrize(
    ("audio", "seconds"),
    [
        (5.0, 13.0),  # the segment of two seconds grows to five
        (1.0, 10.0),  # it would shrink, if the vendor re-times at all
    ],
)
def test_the_longer_of_the_possible_results_is_what_counts(audio: float, seconds: float) -> None:
    estimate = by_price_list(a_request(), measured(audio=audio), Prices())
    assert {cost.seconds for cost in estimate.root.values()} == {seconds}


def test_the_estimate_counts_the_segments_as_they_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = measured(audio=5.0, video=4.0)  # the segment ends with the video
    assert by_price_list(a_request(), facts, Prices())[Stage.LIP_SYNC].seconds == 7.05
    monkeypatch.setenv("VIDEOJOBS_LIMIT_END_MARGIN_SECONDS", "0.1")
    assert by_price_list(a_request(), facts, Prices())[Stage.LIP_SYNC].seconds == 7.1


def test_without_areas_no_text_removal_is_expected() -> None:
    estimate = by_price_list(a_request(areas=0), measured(audio=2.0), Prices())
    assert set(estimate.root) == {Stage.LIP_SYNC}
    assert estimate.total == usd("0.83")


def test_both_stages_are_added_up() -> None:
    estimate = by_price_list(a_request(), measured(audio=2.0), Prices())
    assert str(estimate.total) == "0.83 USD and 1 point"


def test_an_estimate_is_the_same_after_its_way_through_json() -> None:
    estimate = by_price_list(a_request(), measured(audio=2.0), Prices())
    assert Estimate.model_validate(estimate.plain()) == estimate
    assert estimate.plain()["lip_sync"]["usd"] == "0.8300"


def test_a_job_keeps_the_estimate_that_it_was_begun_with(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = by_price_list(a_request(), measured(audio=2.0), Prices())
    monkeypatch.setenv("VIDEOJOBS_PRICE_LIPSYNC_2_PRO", "1")
    request = canonical(a_request())
    assert expected(request, measured(audio=2.0), begun.plain()) == begun
    assert expected(request, measured(audio=2.0), None).total.usd == 10  # it is older than estimates


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (Amount(), "0 USD"),
        (usd("0.4725"), "0.4725 USD"),
        (usd("100"), "100 USD"),
        (points("1"), "1 point"),
        (usd("3.10") + points("2.5"), "3.1 USD and 2.5 points"),
        (usd("0.333333333"), "0.3334 USD"),
    ],
)
def test_amounts_are_said_in_plain_words(amount: Amount, words: str) -> None:
    assert str(amount) == words


# ---- budgets -------------------------------------------------------------------------------------------------


def test_without_a_budget_everything_is_allowed() -> None:
    dear = Amount(Decimal(10**9), Decimal(10**9))
    Budget().check(dear, Booked(dear, dear))
    UNLIMITED.check(dear, Booked(dear, dear))


@pytest.mark.parametrize(
    ("budget", "wanted", "booked"),
    [
        (Budget(job_usd=Decimal(3)), usd("1.01"), Booked(job=usd("2"), today=usd("2"))),
        (Budget(job_points=Decimal(3)), points("2"), Booked(job=points("2"), today=points("2"))),
        (Budget(day_usd=Decimal(3)), usd("1.01"), Booked(job=Amount(), today=usd("2"))),
        (Budget(day_points=Decimal(3)), points("2"), Booked(job=Amount(), today=points("2"))),
    ],
    ids=["JOB_USD", "JOB_POINTS", "DAY_USD", "DAY_POINTS"],
)
def test_what_goes_over_a_budget_is_refused_by_its_name(
    budget: Budget, wanted: Amount, booked: Booked, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(BudgetExceeded, match=f"VIDEOJOBS_BUDGET_{request.node.callspec.id}"):
        budget.check(wanted, booked)


def test_what_fills_a_budget_to_the_brim_is_allowed() -> None:
    Budget(day_usd=Decimal(3)).check(usd("1"), Booked(job=Amount(), today=usd("2")))


def test_a_full_budget_does_not_stop_what_costs_nothing_in_its_unit() -> None:
    Budget(day_points=Decimal(0)).check(usd("1"), Booked(job=Amount(), today=points("5")))


def test_a_refusal_says_what_is_expected_booked_and_allowed_and_what_to_do() -> None:
    with pytest.raises(BudgetExceeded) as refusal:
        Budget(day_usd=Decimal("3.00")).check(usd("0.4725"), Booked(job=Amount(), today=usd("2.9")))
    assert str(refusal.value) == (
        "Not bought, since it would go over a budget: expected cost 0.4725 USD, booked today 2.9 USD, "
        "allowed 3 USD (VIDEOJOBS_BUDGET_DAY_USD). Raise that budget or wait until 00:00 UTC, then decide `retry` "
        "with the deployment `decide`"
    )


def test_a_job_that_is_too_dear_is_not_told_to_wait() -> None:
    with pytest.raises(BudgetExceeded, match=r"Raise that budget, then decide `retry`"):
        Budget(job_usd=Decimal("0.10")).check(usd("0.4725"), NOTHING)


def test_budgets_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Budget().limits_the_job, Budget().limits_the_day) == (False, False)
    monkeypatch.setenv("VIDEOJOBS_BUDGET_JOB_USD", "")
    monkeypatch.setenv("VIDEOJOBS_BUDGET_DAY_POINTS", "12.5")
    assert Budget().day_points == Decimal("12.5")
    assert (Budget().limits_the_job, Budget().limits_the_day) == (False, True)


@pytest.mark.parametrize("amount", ["-1", "nan", "Infinity", "much"])
def test_a_budget_that_is_no_amount_is_refused(amount: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_BUDGET_DAY_USD", amount)
    with pytest.raises(ValidationError, match="day_usd"):
        Budget()
