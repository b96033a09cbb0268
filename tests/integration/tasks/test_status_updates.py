"""How a job learns of its generation: it asks and waits, and asks at once when somebody rings."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest

from blocks import Connections
from tasks.runtime import status_pollers
from videojobs.aio.per_loop import PerLoop
from videojobs.errors import VendorIdNotFound
from videojobs.providers.sync_so.schemas import Generation

DONE, RUNNING = Generation(id="g", status="COMPLETED"), Generation(id="g", status="PROCESSING")


class FakeSyncSo:
    """A vendor whose long polls never end by themselves, and whose lists are empty until they are filled."""

    sync_so = "a block"

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.was_asked = asyncio.Event()
        self.generation = RUNNING
        self.interrupted_polls = 0

    @asynccontextmanager
    async def sync_so_client(self) -> AsyncIterator["FakeSyncSo"]:
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


@pytest.fixture(autouse=True)
def no_rate_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async def skip_wait(_: str) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(status_pollers, "rate_limit", skip_wait)


@pytest.fixture(autouse=True)
def fresh_pollers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_pollers, "_registries", PerLoop(status_pollers._PollerRegistry))


async def next_status(
    vendor: FakeSyncSo, woken: asyncio.Event, generation_id: str = "g"
) -> status_pollers.StatusUpdate:
    async with asyncio.timeout(5):
        return await status_pollers.next_status(cast(Connections, vendor), generation_id, woken)


async def test_a_notification_interrupts_the_long_poll() -> None:
    vendor, woken = FakeSyncSo(), asyncio.Event()
    waiting = asyncio.create_task(next_status(vendor, woken))
    await vendor.was_asked.wait()
    vendor.generation = DONE
    woken.set()
    told = await waiting
    assert (told.generation.is_done, told.from_list) == (True, False)
    assert (vendor.calls, vendor.interrupted_polls) == (["wait", "get"], 1)


async def test_an_earlier_notification_is_covered_by_the_next_poll() -> None:
    vendor, woken = FakeSyncSo(), asyncio.Event()
    woken.set()
    waiting = asyncio.create_task(next_status(vendor, woken))
    await vendor.was_asked.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert vendor.calls == ["wait"]
    woken.set()
    await waiting
    assert vendor.calls == ["wait", "get"]


@pytest.fixture
def no_long_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_SYNC_LONG_POLLS", "0")
    monkeypatch.setenv("VIDEOJOBS_SYNC_LIST_SECONDS", "3600")


@pytest.mark.usefixtures("no_long_polls")
async def test_a_notification_triggers_a_list_poll_at_once() -> None:
    vendor, woken = FakeSyncSo(), asyncio.Event()
    vendor.generation = DONE
    waiting = asyncio.create_task(next_status(vendor, woken))
    await asyncio.sleep(0.01)
    assert vendor.calls == []
    woken.set()
    told = await waiting
    assert (told.generation.is_done, told.from_list) == (True, True)
    assert vendor.calls == ["list"]


@pytest.mark.usefixtures("no_long_polls")
async def test_a_notification_between_two_list_polls_is_not_lost() -> None:
    vendor, woken = FakeSyncSo(), asyncio.Event()
    woken.set()
    await next_status(vendor, woken)
    assert vendor.calls == ["list"]
    assert not woken.is_set()


@pytest.mark.usefixtures("no_long_polls")
async def test_a_generation_missing_from_the_list_is_polled_again() -> None:
    woken = asyncio.Event()
    woken.set()
    with pytest.raises(VendorIdNotFound):
        await next_status(FakeSyncSo(), woken, "unknown")


async def test_cancellation_leaves_no_poll_running() -> None:
    vendor = FakeSyncSo()
    waiting = asyncio.create_task(next_status(vendor, asyncio.Event()))
    await vendor.was_asked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert vendor.interrupted_polls == 1
