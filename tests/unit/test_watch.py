"""One question for all: who waits for an id gets the answer of the next question, whoever asked it."""

import asyncio
from collections.abc import Sequence
from contextvars import ContextVar

import pytest

from videojobs.errors import VendorUnavailable
from videojobs.vendors.watch import Watch

SOON, LATE = 0.01, 3600.0


class Vendor:
    """Notes what it is asked, and answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.answers: dict[str, str] = {}
        self.error: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.was_asked = asyncio.Event()

    async def ask(self, ids: Sequence[str]) -> dict[str, str]:
        self.asked.append(sorted(ids))
        self.was_asked.set()
        await self.may_answer.wait()
        if self.error:
            raise self.error
        return {id_: self.answers[id_] for id_ in ids if id_ in self.answers}


class Clock:
    """The event loop's, which can be put forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._passed = 0.0
        loop = asyncio.get_running_loop()
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + self._passed)

    def pass_(self, seconds: float) -> None:
        self._passed += seconds


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def begun(watch: Watch[str], **within: float) -> "dict[str, asyncio.Task[str | None]]":
    """Somebody who waits for each of these ids, and would ask within so many seconds."""
    waiting = {id_: asyncio.create_task(watch.news(id_, seconds)) for id_, seconds in within.items()}
    await asyncio.sleep(0)
    return waiting


async def test_who_asks_takes_along_all_whose_time_is_half_over_and_each_gets_its_own_answer(clock: Clock) -> None:
    vendor = Vendor()
    vendor.answers = {"a": "done", "b": "running"}
    watch = Watch(vendor.ask, most=100)
    waiting = await begun(watch, a=1000, c=1000)
    clock.pass_(501)
    assert await watch.news("b", 0) == "running"
    assert [await waiting["a"], await waiting["c"]] == ["done", None]
    assert vendor.asked == [["a", "b", "c"]]


async def test_who_has_just_begun_to_wait_is_not_woken_by_others_and_asks_in_its_own_time(clock: Clock) -> None:
    vendor = Vendor()
    vendor.answers = {"late": "done", "now": "done"}
    watch = Watch(vendor.ask, most=100)
    waiting = await begun(watch, late=1000)
    clock.pass_(499)
    await watch.news("now", 0)
    assert vendor.asked == [["now"]]
    clock.pass_(502)
    async with asyncio.timeout(5):
        assert await waiting["late"] == "done"
    assert vendor.asked == [["now"], ["late"]]


async def test_only_so_many_come_along_as_there_is_room_for_and_first_who_would_ask_next(clock: Clock) -> None:
    vendor = Vendor()
    watch = Watch(vendor.ask, most=3)
    waiting = await begun(watch, third=1003, first=1001, second=1002)
    clock.pass_(900)
    await watch.news("now", 0)
    assert vendor.asked == [["first", "now", "second"]]
    clock.pass_(104)
    async with asyncio.timeout(5):
        await waiting["third"]
    assert vendor.asked[1:] == [["third"]]


async def test_two_who_wait_for_the_same_ask_once() -> None:
    vendor = Vendor()
    vendor.answers = {"a": "done"}
    watch = Watch(vendor.ask, most=100)
    both = await asyncio.gather(watch.news("a", SOON), watch.news("a", LATE))
    assert list(both) == ["done", "done"]
    assert vendor.asked == [["a"]]


async def test_no_question_is_about_more_than_the_vendor_takes() -> None:
    vendor = Vendor()
    vendor.answers = {str(number): "done" for number in range(5)}
    watch = Watch(vendor.ask, most=2)
    waiting = [watch.news(id_, SOON) for id_ in vendor.answers]
    assert await asyncio.gather(*waiting) == ["done"] * 5
    assert sorted(map(len, vendor.asked)) == [1, 2, 2]


async def test_an_event_makes_it_ask_at_once() -> None:
    vendor = Vendor()
    vendor.answers = {"a": "done"}
    watch = Watch(vendor.ask, most=100)
    waiting = asyncio.create_task(watch.news("a", LATE))
    await asyncio.sleep(0)
    watch.hurry("a")
    async with asyncio.timeout(5):
        assert await waiting == "done"


async def test_it_asks_in_the_context_of_who_waits_also_when_somebody_else_makes_it_ask() -> None:
    settings: ContextVar[str] = ContextVar("settings", default="nobody's")
    seen: list[str] = []

    async def ask(ids: Sequence[str]) -> dict[str, str]:
        seen.append(settings.get())
        return {}

    watch = Watch(ask, most=100)

    async def wait() -> None:
        settings.set("mine")
        await watch.news("a", LATE)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0)
    watch.hurry("a")
    await waiting
    assert seen == ["mine"]


async def test_an_event_that_comes_before_somebody_waits_is_not_lost() -> None:
    vendor = Vendor()
    vendor.answers = {"a": "done"}
    watch = Watch(vendor.ask, most=100)
    watch.hurry("a")
    async with asyncio.timeout(5):
        assert await watch.news("a", LATE) == "done"
    assert watch.requests == 0


async def test_who_comes_while_a_question_is_on_its_way_waits_for_the_next_one() -> None:
    """The answer may be older than what the late one was told meanwhile."""
    vendor = Vendor()
    vendor.may_answer.clear()
    watch = Watch(vendor.ask, most=100)
    early = asyncio.create_task(watch.news("a", 0))
    await vendor.was_asked.wait()
    late = asyncio.create_task(watch.news("a", SOON))
    await asyncio.sleep(0)
    vendor.answers = {"a": "done"}
    vendor.may_answer.set()
    assert [await early, await late] == ["done", "done"]
    assert vendor.asked == [["a"], ["a"]]


async def test_a_question_that_fails_is_told_to_all_who_waited_and_the_next_one_goes_well() -> None:
    vendor = Vendor()
    vendor.error = VendorUnavailable("busy")
    watch = Watch(vendor.ask, most=100)
    failed = await asyncio.gather(watch.news("a", SOON), watch.news("b", SOON), return_exceptions=True)
    assert [type(error) for error in failed] == [VendorUnavailable, VendorUnavailable]
    vendor.error = None
    vendor.answers = {"a": "done"}
    assert await watch.news("a", SOON) == "done"


async def test_who_is_cancelled_is_asked_about_no_more_and_disturbs_nobody() -> None:
    vendor = Vendor()
    vendor.answers = {"b": "done"}
    watch = Watch(vendor.ask, most=100)
    gone = asyncio.create_task(watch.news("a", LATE))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert await watch.news("b", SOON) == "done"
    assert vendor.asked == [["b"]]
