"""How a job learns the status of its submission: by long polls, by shared lists, and at once after a callback."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from blocks import Connections
from tasks.runtime import status_feed, vendor_account
from tasks.runtime.status_feed import StatusFeed, StatusUpdate
from tasks.runtime.vendor_account import VendorAccount
from videojobs.aio.per_loop import PerLoop
from videojobs.errors import VendorIdNotFound
from videojobs.providers.base import VendorState
from videojobs.providers.sync_so.provider import SyncSoProvider
from videojobs.providers.sync_so.schemas import Generation

DONE, RUNNING = Generation(id="g", status="COMPLETED"), Generation(id="g", status="PROCESSING")


class FakeSyncSo:
    """A vendor whose long polls never end by themselves, and whose lists contain the generation `g`."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.was_asked = asyncio.Event()
        self.generation = RUNNING
        self.interrupted_polls = 0

    def block_name(self, provider: str) -> str:
        return "a-block"

    @asynccontextmanager
    async def provider_client(self, provider: Any) -> AsyncIterator["FakeSyncSo"]:
        yield self

    async def get(self, generation_id: str, *, wait_seconds: int | None = None) -> Generation:
        self.calls.append("wait" if wait_seconds else "get")
        self.was_asked.set()
        if wait_seconds:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.interrupted_polls += 1
                raise
        return self.generation

    async def get_many(self, generation_ids: Sequence[str]) -> dict[str, Generation]:
        self.calls.append("list")
        return {"g": self.generation} if "g" in generation_ids else {}

    def feed(self, generation_id: str = "g") -> StatusFeed:
        account = VendorAccount(SyncSoProvider(), cast(Connections, self))
        return StatusFeed(account, generation_id, expects_callback=lambda: False)


@pytest.fixture(autouse=True)
def no_rate_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def skip_wait(_: str) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(vendor_account, "rate_limit", skip_wait)


@pytest.fixture(autouse=True)
def fresh_pollers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_feed, "_loop_states", PerLoop(status_feed._LoopState))


async def next_status(feed: StatusFeed) -> StatusUpdate:
    async with asyncio.timeout(5):
        return await feed.next_status()


async def test_a_notification_interrupts_the_long_poll() -> None:
    vendor = FakeSyncSo()
    feed = vendor.feed()
    waiting = asyncio.create_task(next_status(feed))
    await vendor.was_asked.wait()
    vendor.generation = DONE
    feed.wake()
    update = await waiting
    assert (update.status.state, update.from_batch) == (VendorState.DONE, False)
    assert (vendor.calls, vendor.interrupted_polls) == (["wait", "get"], 1)


async def test_an_earlier_notification_is_covered_by_the_next_poll() -> None:
    vendor = FakeSyncSo()
    feed = vendor.feed()
    feed.wake()
    waiting = asyncio.create_task(next_status(feed))
    await vendor.was_asked.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert vendor.calls == ["wait"]
    feed.wake()
    await waiting
    assert vendor.calls == ["wait", "get"]


@pytest.fixture
def no_long_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_SYNC_LONG_POLLS", "0")
    monkeypatch.setenv("VIDEOJOBS_SYNC_LIST_SECONDS", "3600")


@pytest.mark.usefixtures("no_long_polls")
async def test_a_notification_triggers_a_batch_poll_at_once() -> None:
    vendor = FakeSyncSo()
    feed, other = vendor.feed(), vendor.feed("another")
    vendor.generation = DONE
    waiting = asyncio.create_task(next_status(feed))
    await asyncio.sleep(0.01)
    assert vendor.calls == []
    feed.wake()
    update = await waiting
    assert (update.status.state, update.from_batch) == (VendorState.DONE, True)
    assert vendor.calls == ["get"]
    both = asyncio.gather(next_status(feed), next_status(other), return_exceptions=True)
    await asyncio.sleep(0.01)
    feed.wake()
    other.wake()
    await both
    assert vendor.calls == ["get", "list"]


@pytest.mark.usefixtures("no_long_polls")
async def test_a_notification_between_two_batch_polls_is_not_lost() -> None:
    vendor = FakeSyncSo()
    feed = vendor.feed()
    feed.wake()
    await next_status(feed)
    assert vendor.calls == ["get"]


@pytest.mark.usefixtures("no_long_polls")
async def test_a_submission_missing_from_the_list_is_polled_again() -> None:
    vendor = FakeSyncSo()
    known, unknown = vendor.feed(), vendor.feed("unknown")
    known.wake()
    unknown.wake()
    found, missing = await asyncio.gather(next_status(known), next_status(unknown), return_exceptions=True)
    assert isinstance(found, StatusUpdate)
    assert isinstance(missing, VendorIdNotFound)


async def test_cancellation_leaves_no_poll_running() -> None:
    vendor = FakeSyncSo()
    waiting = asyncio.create_task(next_status(vendor.feed()))
    await vendor.was_asked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert vendor.interrupted_polls == 1
