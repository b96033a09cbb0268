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
_CPU_POOL: Final = ThreadPoolExecutor(max_workers=max(os.cpu_count() or 1, 2), thread_name_prefix="media")
_LONG_CPU_POOL: Final = ThreadPoolExecutor(max_workers=max(os.cpu_count() or 1, 2), thread_name_prefix="lecture")


async def run_cpu_bound(work: Callable[[], T]) -> T:
    """Do what takes a core for seconds. Those who come first are served first."""
    return await asyncio.get_running_loop().run_in_executor(_CPU_POOL, partial(copy_context().run, work))


async def run_long_cpu_bound(work: Callable[[Event], T]) -> T:
    """Do what takes a core for minutes. Who is cancelled while waiting sets the signal, and waits until it is heeded.

    So nobody takes away the files of work that goes on. Work that has not begun by then does not begin.
    """
    stop = Event()
    future = _LONG_CPU_POOL.submit(copy_context().run, work, stop)
    completion = asyncio.wrap_future(future)
    try:
        return await asyncio.shield(completion)
    except asyncio.CancelledError:
        stop.set()
        if not future.cancel():
            await asyncio.wait([completion])
        raise
