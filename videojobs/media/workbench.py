"""Where media is decoded: beside the event loop, and no more of it at once than the machine has cores.

What takes minutes has a bench of its own, so that it is never in the way of what takes seconds.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from threading import Event
from typing import Final, TypeVar

T = TypeVar("T")

# FFmpeg does its work without Python's lock. More at once would not end sooner, and each holds a picture or two.
_BENCH: Final = ThreadPoolExecutor(max_workers=max(os.cpu_count() or 1, 2), thread_name_prefix="media")
_LONG_BENCH: Final = ThreadPoolExecutor(max_workers=max(os.cpu_count() or 1, 2), thread_name_prefix="lecture")


async def at_the_bench(work: Callable[[], T]) -> T:
    """Do what takes a core for seconds. Those who come first are served first."""
    return await asyncio.get_running_loop().run_in_executor(_BENCH, partial(copy_context().run, work))


async def at_the_long_bench(work: Callable[[Event], T]) -> T:
    """Do what takes a core for minutes. Who is cancelled while waiting sets the signal, and waits until it is heeded.

    So nobody takes away the files of work that goes on. Work that has not begun by then does not begin.
    """
    stop = Event()
    doing = _LONG_BENCH.submit(copy_context().run, work, stop)
    done = asyncio.wrap_future(doing)
    try:
        return await asyncio.shield(done)
    except asyncio.CancelledError:
        stop.set()
        if not doing.cancel():
            await asyncio.wait([done])
        raise
