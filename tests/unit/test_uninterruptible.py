"""Paid calls are shielded from cancellation: each completes, whatever happens to its caller."""

import asyncio
import subprocess
import sys
from contextvars import ContextVar
from pathlib import Path

import pytest

from tasks.runtime.uninterruptible import run_uninterruptible

_caller: ContextVar[str] = ContextVar("whose", default="nobody's")


class FakePaidCall:
    """Ends when the test allows it."""

    def __init__(self) -> None:
        self.begun, self.allowed = asyncio.Event(), asyncio.Event()
        self.ended = False
        self._asked_from = asyncio.get_running_loop()

    async def make(self) -> str:
        self._asked_from.call_soon_threadsafe(self.begun.set)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.allowed.wait(), self._asked_from))
        self.ended = True
        return "paid"


async def test_the_result_or_the_error_is_returned() -> None:
    async def fail() -> None:
        raise ValueError("refused")

    call = FakePaidCall()
    call.allowed.set()
    assert await run_uninterruptible(call.make) == "paid"
    with pytest.raises(ValueError, match="refused"):
        await run_uninterruptible(fail)


async def test_cancellation_is_delivered_after_the_call_completes() -> None:
    call = FakePaidCall()
    asking = asyncio.create_task(run_uninterruptible(call.make))
    await call.begun.wait()
    asking.cancel()
    await asyncio.sleep(0)
    assert not asking.done()
    call.allowed.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert call.ended


async def test_a_call_completes_after_its_event_loop_has_closed() -> None:
    call = FakePaidCall()

    async def cancel_early() -> None:
        asking = asyncio.create_task(run_uninterruptible(call.make))
        await asyncio.to_thread(asyncio.run_coroutine_threadsafe(call.begun.wait(), ours).result)
        for _ in range(2):
            asking.cancel()
            await asyncio.sleep(0)

    ours = asyncio.get_running_loop()
    await asyncio.to_thread(asyncio.run, cancel_early())
    assert not call.ended
    call.allowed.set()
    async with asyncio.timeout(10):
        while not call.ended:  # noqa: ASYNC110  # another loop sets it
            await asyncio.sleep(0.01)


async def test_calls_share_one_loop_but_keep_their_callers_context() -> None:
    async def current_loop_and_caller() -> tuple[int, str]:
        return id(asyncio.get_running_loop()), _caller.get()

    async def call_as(name: str) -> tuple[int, str]:
        _caller.set(name)
        return await run_uninterruptible(current_loop_and_caller)

    found = await asyncio.gather(*(call_as(name) for name in ("ada's", "bob's")))
    assert [whose for _, whose in found] == ["ada's", "bob's"]
    assert len({loop for loop, _ in found} - {id(asyncio.get_running_loop())}) == 1


def test_process_exit_waits_for_running_calls(tmp_path: Path) -> None:
    program = f"""
import asyncio, pathlib
from tasks.runtime.uninterruptible import run_uninterruptible

async def call():
    loop.call_soon_threadsafe(begun.set)
    await asyncio.sleep(0.3)
    pathlib.Path({str(tmp_path / "outcome")!r}).write_text("paid")

async def main():
    global loop, begun
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    asking = asyncio.create_task(run_uninterruptible(call))
    await begun.wait()
    asking.cancel()
    await asyncio.sleep(0)
    raise SystemExit(3)  # asyncio cancels it once more

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)
    assert ended.returncode == 3
    assert (tmp_path / "outcome").read_text() == "paid"
