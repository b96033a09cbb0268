"""How a job learns of its generation: it asks and waits, and asks at once when somebody rings."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import pytest

from blocks import Connections
from tasks import watching
from videojobs.errors import NotShown
from videojobs.vendors.sync_so.wire import Generation

DONE, RUNNING = Generation(id="g", status="COMPLETED"), Generation(id="g", status="PROCESSING")


class SyncSo:
    """A vendor whose long polls never end by themselves, and whose lists are empty until they are filled."""

    sync_so = "a block"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.was_asked = asyncio.Event()
        self.generation = RUNNING
        self.broken_off = 0

    @asynccontextmanager
    async def sync_so_client(self) -> AsyncIterator["SyncSo"]:
        yield self

    async def get(self, generation_id: str, *, wait_seconds: int | None = None) -> Generation:
        self.asked.append("wait" if wait_seconds else "get")
        self.was_asked.set()
        if wait_seconds:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.broken_off += 1
                raise
        return self.generation

    async def list_of(self, generation_ids: Sequence[str]) -> dict[str, Generation]:
        self.asked.append("list")
        return {"g": self.generation} if "g" in generation_ids else {}


@pytest.fixture(autouse=True)
def nobody_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: str) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(watching, "turn", at_once)


@pytest.fixture(autouse=True)
async def fresh() -> AsyncIterator[None]:
    watching._together.clear()
    yield
    watching._together.clear()


async def news(vendor: SyncSo, woken: asyncio.Event, generation_id: str = "g") -> watching.GenerationNews:
    async with asyncio.timeout(5):
        return await watching.generation_news(cast(Connections, vendor), generation_id, woken)


async def test_a_ring_breaks_off_the_long_poll_and_asks_at_once() -> None:
    vendor, woken = SyncSo(), asyncio.Event()
    waiting = asyncio.create_task(news(vendor, woken))
    await vendor.was_asked.wait()
    vendor.generation = DONE
    woken.set()
    told = await waiting
    assert (told.generation.is_done, told.listed) == (True, False)
    assert (vendor.asked, vendor.broken_off) == (["wait", "get"], 1)


async def test_a_ring_from_before_the_question_is_answered_by_it() -> None:
    vendor, woken = SyncSo(), asyncio.Event()
    woken.set()
    waiting = asyncio.create_task(news(vendor, woken))
    await vendor.was_asked.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert vendor.asked == ["wait"]
    woken.set()
    await waiting
    assert vendor.asked == ["wait", "get"]


@pytest.fixture
def no_long_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_SYNC_LONG_POLLS", "0")
    monkeypatch.setenv("VIDEOJOBS_SYNC_LIST_SECONDS", "3600")


@pytest.mark.usefixtures("no_long_polls")
async def test_where_lists_are_asked_for_a_ring_asks_for_one_at_once() -> None:
    vendor, woken = SyncSo(), asyncio.Event()
    vendor.generation = DONE
    waiting = asyncio.create_task(news(vendor, woken))
    await asyncio.sleep(0.01)
    assert vendor.asked == []
    woken.set()
    told = await waiting
    assert (told.generation.is_done, told.listed) == (True, True)
    assert vendor.asked == ["list"]


@pytest.mark.usefixtures("no_long_polls")
async def test_a_ring_between_two_lists_is_not_lost() -> None:
    vendor, woken = SyncSo(), asyncio.Event()
    woken.set()
    await news(vendor, woken)
    assert vendor.asked == ["list"]
    assert not woken.is_set()


@pytest.mark.usefixtures("no_long_polls")
async def test_a_generation_that_the_list_does_not_name_is_asked_for_again_later() -> None:
    woken = asyncio.Event()
    woken.set()
    with pytest.raises(NotShown):
        await news(SyncSo(), woken, "unknown")


async def test_who_is_cancelled_leaves_no_question_behind() -> None:
    vendor = SyncSo()
    waiting = asyncio.create_task(news(vendor, asyncio.Event()))
    await vendor.was_asked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert vendor.broken_off == 1
