"""Work that comes to its end whatever happens to the run that began it, short of the end of the process.

A cancelled run's own loop cancels all that goes on in it, and half a paid call is a call whose outcome is unknown. So
it is made in another loop, one for all jobs of a process: with a loop for each call, each call opened connections of
its own, and built every statement of the ledger anew.
"""

import asyncio
import atexit
from collections.abc import Callable, Coroutine
from concurrent import futures
from functools import cache
from typing import Any, Final, TypeVar

from videojobs.aio.background_loop import BackgroundEventLoop

T = TypeVar("T")

_THREADS: Final = 4  # for what blocks in there: names to be looked up

_running: Final[set[futures.Future[Any]]] = set()


async def run_shielded(work: Callable[[], Coroutine[None, None, T]]) -> T:
    """Do `work` in the loop that nobody cancels. Who is cancelled meanwhile is so when it has ended."""
    future = _shielded_loop().submit(work())
    _running.add(future)
    future.add_done_callback(_running.discard)
    completion = asyncio.wrap_future(future)
    try:
        return await asyncio.shield(completion)
    except asyncio.CancelledError:
        await asyncio.wait([completion])
        raise


@cache
def _shielded_loop() -> BackgroundEventLoop:
    atexit.register(_wait_at_exit)
    return BackgroundEventLoop("uninterrupted", threads=_THREADS)


def _wait_at_exit() -> None:
    futures.wait(list(_running))
