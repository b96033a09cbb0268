"""A vendor that asks to wait is waited for, as long as it says; a job never fails of it."""

import asyncio
import logging

import pytest

from tasks import backoff, steps
from tasks.backoff import Backoff
from videojobs.errors import VendorThrottled, VendorUnavailable


@pytest.fixture(autouse=True)
def no_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "uniform", lambda low, _: low)


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What a step waited for; no time passes."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(steps, "get_run_logger", lambda: logging.getLogger("test"))
    return pauses


async def test_a_step_is_repeated_as_often_as_the_vendor_asks_to_wait_and_operators_hear_of_it(
    slept: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    told: list[str] = []
    monkeypatch.setattr(steps, "announce_silence", lambda vendor, reason: told.append(vendor))

    @steps.outlast_throttling
    async def step(number: int) -> int:
        nonlocal calls
        calls += 1
        if calls <= 1_000:
            raise VendorThrottled("wait", vendor="Sync.so", retry_after=90)
        return number

    assert await step(7) == 7
    assert slept == [90] * 1_000
    assert told == ["Sync.so"] * 997, "from when it has lasted for five minutes"


async def test_any_other_error_is_left_to_prefect(slept: list[float]) -> None:
    @steps.outlast_throttling
    async def step() -> None:
        raise VendorUnavailable("away", retry_after=90)

    with pytest.raises(VendorUnavailable):
        await step()
    assert slept == []


def test_where_no_time_is_named_the_delay_doubles_up_to_five_minutes() -> None:
    delays = Backoff()
    assert [delays.delay(VendorThrottled("wait")) for _ in range(7)] == [10, 20, 40, 80, 160, 300, 300]


@pytest.mark.parametrize(("told", "waited"), [(0, 1), (-5, 1), (2.5, 2.5), (7200, 7200), (10**9, 86_400)])
def test_a_named_time_is_waited_for_a_day_at_most(told: float, waited: float) -> None:
    assert Backoff().delay(VendorThrottled("wait", retry_after=told)) == waited
