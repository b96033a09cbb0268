"""Paid calls are made where nobody cancels them: each comes to its end, whatever happens to who asked for it."""

import asyncio
import subprocess
import sys
from contextvars import ContextVar
from pathlib import Path

import pytest

from tasks.uninterrupted import uninterrupted

_whose: ContextVar[str] = ContextVar("whose", default="nobody's")


class Call:
    """Ends when it is allowed to."""

    def __init__(self) -> None:
        self.begun, self.allowed = asyncio.Event(), asyncio.Event()
        self.ended = False
        self._asked_from = asyncio.get_running_loop()

    async def make(self) -> str:
        self._asked_from.call_soon_threadsafe(self.begun.set)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self.allowed.wait(), self._asked_from))
        self.ended = True
        return "paid"


async def test_the_answer_and_the_error_come_back() -> None:
    async def fail() -> None:
        raise ValueError("refused")

    call = Call()
    call.allowed.set()
    assert await uninterrupted(call.make) == "paid"
    with pytest.raises(ValueError, match="refused"):
        await uninterrupted(fail)


async def test_who_is_cancelled_is_so_only_when_the_call_has_ended() -> None:
    call = Call()
    asking = asyncio.create_task(uninterrupted(call.make))
    await call.begun.wait()
    asking.cancel()
    await asyncio.sleep(0)
    assert not asking.done()
    call.allowed.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert call.ended


async def test_a_call_goes_on_when_the_loop_that_asked_for_it_has_ended() -> None:
    call = Call()

    async def give_up_soon() -> None:
        asking = asyncio.create_task(uninterrupted(call.make))
        await asyncio.to_thread(asyncio.run_coroutine_threadsafe(call.begun.wait(), ours).result)
        for _ in range(2):
            asking.cancel()
            await asyncio.sleep(0)

    ours = asyncio.get_running_loop()
    await asyncio.to_thread(asyncio.run, give_up_soon())
    assert not call.ended
    call.allowed.set()
    async with asyncio.timeout(10):
        while not call.ended:  # noqa: ASYNC110  # another loop sets it
            await asyncio.sleep(0.01)


async def test_all_calls_share_one_loop_and_each_has_the_context_of_who_asked() -> None:
    async def where() -> tuple[int, str]:
        return id(asyncio.get_running_loop()), _whose.get()

    async def ask(name: str) -> tuple[int, str]:
        _whose.set(name)
        return await uninterrupted(where)

    found = await asyncio.gather(*(ask(name) for name in ("ada's", "bob's")))
    assert [whose for _, whose in found] == ["ada's", "bob's"]
    assert len({loop for loop, _ in found} - {id(asyncio.get_running_loop())}) == 1


def test_a_process_ends_when_its_calls_have_ended(tmp_path: Path) -> None:
    program = f"""
import asyncio, pathlib
from tasks.uninterrupted import uninterrupted

async def call():
    loop.call_soon_threadsafe(begun.set)
    await asyncio.sleep(0.3)
    pathlib.Path({str(tmp_path / "outcome")!r}).write_text("paid")

async def main():
    global loop, begun
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    asking = asyncio.create_task(uninterrupted(call))
    await begun.wait()
    asking.cancel()
    await asyncio.sleep(0)
    raise SystemExit(3)  # asyncio cancels it once more

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)
    assert ended.returncode == 3
    assert (tmp_path / "outcome").read_text() == "paid"
