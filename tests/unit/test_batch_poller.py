"""Coalesced polls: every waiter for an id gets the result of the next poll, whichever waiter started it."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar

import pytest

from videojobs.errors import VendorUnavailable
from videojobs.providers.batch_poller import BatchPoller

SOON_SECONDS, LATE_SECONDS = 0.01, 3600.0


class FakeVendor:
    """Records its queries, and responds when allowed to."""

    def __init__(self) -> None:
        self.queries: list[list[str]] = []
        self.answers: dict[str, str] = {}
        self.error: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.queried = asyncio.Event()

    async def query(self, ids: Sequence[str]) -> dict[str, str]:
        self.queries.append(sorted(ids))
        self.queried.set()
        await self.may_answer.wait()
        if self.error:
            raise self.error
        return {id_: self.answers[id_] for id_ in ids if id_ in self.answers}


class FakeClock:
    """The event loop's clock, which tests can advance."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._passed = 0.0
        loop = asyncio.get_running_loop()
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self._passed)

    def advance(self, seconds: float) -> None:
        self._passed += seconds


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    return FakeClock(monkeypatch)


async def start_waiters(watch: BatchPoller[str], **interval_by_id: float) -> "dict[str, asyncio.Task[str | None]]":
    """One waiter for each of these ids, with its poll interval in seconds."""
    waiting = {id_: asyncio.create_task(watch.wait_for(id_, seconds)) for id_, seconds in interval_by_id.items()}
    await asyncio.sleep(0)
    return waiting


async def test_a_poll_includes_ids_past_half_their_interval(clock: FakeClock) -> None:
    vendor = FakeVendor()
    vendor.answers = {"a": "done", "b": "running"}
    watch = BatchPoller(vendor.query, max_batch=100)
    waiting = await start_waiters(watch, a=1000, c=1000)
    clock.advance(501)
    assert await watch.wait_for("b", 0) == "running"
    assert [await waiting["a"], await waiting["c"]] == ["done", None]
    assert vendor.queries == [["a", "b", "c"]]


async def test_a_new_waiter_is_polled_at_its_own_time(clock: FakeClock) -> None:
    vendor = FakeVendor()
    vendor.answers = {"late": "done", "now": "done"}
    watch = BatchPoller(vendor.query, max_batch=100)
    waiting = await start_waiters(watch, late=1000)
    clock.advance(499)
    await watch.wait_for("now", 0)
    assert vendor.queries == [["now"]]
    clock.advance(502)
    async with asyncio.timeout(5):
        assert await waiting["late"] == "done"
    assert vendor.queries == [["now"], ["late"]]


async def test_a_full_batch_takes_the_earliest_due_ids(clock: FakeClock) -> None:
    vendor = FakeVendor()
    watch = BatchPoller(vendor.query, max_batch=3)
    waiting = await start_waiters(watch, third=1003, first=1001, second=1002)
    clock.advance(900)
    await watch.wait_for("now", 0)
    assert vendor.queries == [["first", "now", "second"]]
    clock.advance(104)
    async with asyncio.timeout(5):
        await waiting["third"]
    assert vendor.queries[1:] == [["third"]]


async def test_two_waiters_for_one_id_share_a_poll() -> None:
    vendor = FakeVendor()
    vendor.answers = {"a": "done"}
    watch = BatchPoller(vendor.query, max_batch=100)
    both = await asyncio.gather(watch.wait_for("a", SOON_SECONDS), watch.wait_for("a", LATE_SECONDS))
    assert list(both) == ["done", "done"]
    assert vendor.queries == [["a"]]


async def test_a_poll_never_exceeds_the_vendors_batch_size() -> None:
    vendor = FakeVendor()
    vendor.answers = {str(number): "done" for number in range(5)}
    watch = BatchPoller(vendor.query, max_batch=2)
    waiting = [watch.wait_for(id_, SOON_SECONDS) for id_ in vendor.answers]
    assert await asyncio.gather(*waiting) == ["done"] * 5
    assert sorted(map(len, vendor.queries)) == [1, 2, 2]


async def test_an_event_triggers_a_poll_at_once() -> None:
    vendor = FakeVendor()
    vendor.answers = {"a": "done"}
    watch = BatchPoller(vendor.query, max_batch=100)
    waiting = asyncio.create_task(watch.wait_for("a", LATE_SECONDS))
    await asyncio.sleep(0)
    watch.poll_now("a")
    async with asyncio.timeout(5):
        assert await waiting == "done"


async def test_a_poll_runs_in_the_waiters_context() -> None:
    settings: ContextVar[str] = ContextVar("settings", default="nobody's")
    seen: list[str] = []

    async def ask(ids: Sequence[str]) -> dict[str, str]:
        seen.append(settings.get())
        return {}

    watch = BatchPoller(ask, max_batch=100)

    async def wait() -> None:
        settings.set("mine")
        await watch.wait_for("a", LATE_SECONDS)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    watch.poll_now("a")
    await waiting
    assert seen == ["mine"]


def test_an_event_without_a_waiter_is_left_to_the_caller() -> None:
    assert not BatchPoller(FakeVendor().query, max_batch=100).poll_now("a")


async def test_a_waiter_that_joins_during_a_poll_gets_the_next_one() -> None:
    """The running poll's result may be older than what the late waiter already knows."""
    vendor = FakeVendor()
    vendor.may_answer.clear()
    watch = BatchPoller(vendor.query, max_batch=100)
    early = asyncio.create_task(watch.wait_for("a", 0))
    await vendor.queried.wait()
    late = asyncio.create_task(watch.wait_for("a", SOON_SECONDS))
    await asyncio.sleep(0)
    vendor.answers = {"a": "done"}
    vendor.may_answer.set()
    assert [await early, await late] == ["done", "done"]
    assert vendor.queries == [["a"], ["a"]]


async def test_a_failed_poll_reaches_all_its_waiters() -> None:
    vendor = FakeVendor()
    vendor.error = VendorUnavailable("busy")
    watch = BatchPoller(vendor.query, max_batch=100)
    failed = await asyncio.gather(
        watch.wait_for("a", SOON_SECONDS), watch.wait_for("b", SOON_SECONDS), return_exceptions=True
    )
    assert [type(error) for error in failed] == [VendorUnavailable, VendorUnavailable]
    vendor.error = None
    vendor.answers = {"a": "done"}
    assert await watch.wait_for("a", SOON_SECONDS) == "done"


async def test_a_cancelled_waiter_is_no_longer_polled() -> None:
    vendor = FakeVendor()
    vendor.answers = {"b": "done"}
    watch = BatchPoller(vendor.query, max_batch=100)
    gone = asyncio.create_task(watch.wait_for("a", LATE_SECONDS))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await watch.wait_for("b", SOON_SECONDS) == "done"
    assert vendor.queries == [["b"]]
