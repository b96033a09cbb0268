"""What takes minutes is done beside the event loop, and ends when nobody waits for it any more."""

import asyncio
from threading import Event

import pytest

from videojobs.errors import Stopped
from videojobs.lecture.work import go_on
from videojobs.media.workbench import at_the_bench, at_the_long_bench


async def test_it_gives_back_what_was_made() -> None:
    assert await at_the_long_bench(lambda stop: 0 if stop.is_set() else 42) == 42


async def test_who_is_cancelled_stops_the_work_and_waits_for_its_end() -> None:
    begun, told = Event(), Event()

    def work(stop: Event) -> None:
        begun.set()
        if stop.wait(10):
            told.set()
        go_on(stop)

    waiting = asyncio.create_task(at_the_long_bench(work))
    await asyncio.to_thread(begun.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert told.is_set()


async def test_long_work_is_not_in_the_way_of_short_work() -> None:
    done = Event()
    long = [asyncio.create_task(at_the_long_bench(lambda _stop: done.wait(10))) for _ in range(20)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(at_the_bench(lambda: "quick"), 5) == "quick"
    done.set()
    assert all(await asyncio.gather(*long))


async def test_work_that_has_not_begun_when_it_is_cancelled_never_begins() -> None:
    done, begun = Event(), Event()
    busy = [asyncio.create_task(at_the_long_bench(lambda _stop: done.wait(10))) for _ in range(64)]
    late = asyncio.create_task(at_the_long_bench(lambda _stop: begun.set()))
    await asyncio.sleep(0.05)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    done.set()
    await asyncio.gather(*busy)
    assert not begun.is_set()


async def test_an_error_comes_back_as_it_is() -> None:
    def work(stop: Event) -> None:
        stop.set()
        go_on(stop)

    with pytest.raises(Stopped):
        await at_the_long_bench(work)
