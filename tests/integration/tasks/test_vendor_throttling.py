"""If a vendor asks to wait, the job waits that long and never fails because of it."""

import asyncio
import logging

import pytest

from tasks.runtime import backoff, job_task
from tasks.runtime.backoff import Backoff
from videojobs.errors import VendorRateLimited, VendorUnavailable


@pytest.fixture(autouse=True)
def default_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first delay of production, without jitter."""
    monkeypatch.delenv("VIDEOJOBS_RETRY_DELAY_SECONDS")
    monkeypatch.setattr(backoff, "uniform", lambda low, _: low)


@pytest.fixture
def recorded_sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The requested sleeps of a step; no time passes."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(job_task, "get_run_logger", lambda: logging.getLogger("test"))
    return pauses


async def test_a_rate_limited_step_retries_and_alerts_operators(
    recorded_sleeps: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0
    told: list[str] = []
    monkeypatch.setattr(job_task, "emit_vendor_unresponsive", lambda vendor, reason: told.append(vendor))

    @job_task.retry_while_throttled
    async def step(number: int) -> int:
        nonlocal calls
        calls += 1
        if calls <= 1_000:
            raise VendorRateLimited("wait", vendor="Sync.so", retry_after=90)
        return number

    assert await step(7) == 7
    assert recorded_sleeps == [90] * 1_000
    assert told == ["Sync.so"] * 997, "from when it has lasted for five minutes"


async def test_any_other_error_is_left_to_prefect(recorded_sleeps: list[float]) -> None:
    @job_task.retry_while_throttled
    async def step() -> None:
        raise VendorUnavailable("away", retry_after=90)

    with pytest.raises(VendorUnavailable):
        await step()
    assert recorded_sleeps == []


def test_without_retry_after_the_delay_doubles_to_five_minutes() -> None:
    delays = Backoff()
    assert [delays.next_delay(VendorRateLimited("wait")) for _ in range(7)] == [10, 20, 40, 80, 160, 300, 300]


@pytest.mark.parametrize(("retry_after", "waited"), [(0, 1), (-5, 1), (2.5, 2.5), (7200, 7200), (10**9, 86_400)])
def test_retry_after_is_capped_at_one_day(retry_after: float, waited: float) -> None:
    assert Backoff().next_delay(VendorRateLimited("wait", retry_after=retry_after)) == waited
