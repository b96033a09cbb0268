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

from videojobs.loop_thread import LoopThread

T = TypeVar("T")

_THREADS: Final = 4  # for what blocks in there: names to be looked up

_in_hand: Final[set[futures.Future[Any]]] = set()


async def uninterrupted(work: Callable[[], Coroutine[None, None, T]]) -> T:
    """Do `work` in the loop that nobody cancels. Who is cancelled meanwhile is so when it has ended."""
    begun = _loop().submit(work())
    _in_hand.add(begun)
    begun.add_done_callback(_in_hand.discard)
    doing = asyncio.wrap_future(begun)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        raise


@cache
def _loop() -> LoopThread:
    atexit.register(_come_to_an_end)
    return LoopThread("uninterrupted", threads=_THREADS)


def _come_to_an_end() -> None:
    futures.wait(list(_in_hand))
