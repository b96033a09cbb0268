"""Long work runs outside the event loop, and ends when its result is no longer needed."""

import asyncio
from threading import Event

import pytest

from videojobs.errors import WorkCancelled
from videojobs.lecture.progress import raise_if_cancelled
from videojobs.media.executors import run_cpu_bound, run_long_cpu_bound


async def test_the_result_is_returned() -> None:
    assert await run_long_cpu_bound(lambda stop: 0 if stop.is_set() else 42) == 42


async def test_cancellation_stops_the_work_and_waits_for_its_end() -> None:
    begun, told = Event(), Event()

    def work(stop: Event) -> None:
        begun.set()
        if stop.wait(10):
            told.set()
        raise_if_cancelled(stop)

    waiting = asyncio.create_task(run_long_cpu_bound(work))
    await asyncio.to_thread(begun.wait, 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert told.is_set()


async def test_long_work_does_not_block_short_work() -> None:
    done = Event()
    long = [asyncio.create_task(run_long_cpu_bound(lambda _stop: done.wait(10))) for _ in range(20)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(run_cpu_bound(lambda: "quick"), 5) == "quick"
    done.set()
    assert all(await asyncio.gather(*long))


async def test_queued_work_that_is_cancelled_never_starts() -> None:
    done, begun = Event(), Event()
    busy = [asyncio.create_task(run_long_cpu_bound(lambda _stop: done.wait(10))) for _ in range(64)]
    late = asyncio.create_task(run_long_cpu_bound(lambda _stop: begun.set()))
    await asyncio.sleep(0.05)
    late.cancel()
    with pytest.raises(asyncio.CancelledError):
        await late
    done.set()
    await asyncio.gather(*busy)
    assert not begun.is_set()


async def test_an_error_is_raised_unchanged() -> None:
    def work(stop: Event) -> None:
        stop.set()
        raise_if_cancelled(stop)

    with pytest.raises(WorkCancelled):
        await run_long_cpu_bound(work)
