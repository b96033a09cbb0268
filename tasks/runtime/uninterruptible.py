"""Runs work to its end, even if the run that began it is cancelled; only the end of the process stops it.

A cancelled run's loop cancels all its tasks, and a cancelled paid call has an unknown outcome. So paid calls run in
another loop, one for all jobs of a process: with a loop for each call, each would open connections of its own, and
compile every SQL statement anew.
"""

import asyncio
import atexit
from collections.abc import Callable, Coroutine
from concurrent import futures
from functools import cache
from typing import Any, Final, TypeVar

from videojobs.aio.background_loop import BackgroundEventLoop

T = TypeVar("T")

_THREADS: Final = 4  # for its blocking calls, such as name resolution

_running: Final[set[futures.Future[Any]]] = set()


async def run_uninterruptible(work: Callable[[], Coroutine[None, None, T]]) -> T:
    """Run `work` in a loop that is never cancelled. A cancellation of the caller is delivered when it has ended."""
    future = _uninterruptible_loop().submit(work())
    _running.add(future)
    future.add_done_callback(_running.discard)
    completion = asyncio.wrap_future(future)
    try:
        return await asyncio.shield(completion)
    except asyncio.CancelledError:
        await asyncio.wait([completion])
        raise


@cache
def _uninterruptible_loop() -> BackgroundEventLoop:
    atexit.register(_wait_at_exit)
    return BackgroundEventLoop("uninterrupted", threads=_THREADS)


def _wait_at_exit() -> None:
    futures.wait(list(_running))
