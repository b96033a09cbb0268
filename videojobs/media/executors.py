"""Thread pools for decoding, outside the event loop, with as many threads as the machine has cores.

Work that takes minutes has a pool of its own, so that it never delays work that takes seconds.
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

# FFmpeg releases Python's lock. More threads would not finish sooner, and each holds a frame or two.
_CPU_POOL: Final = ThreadPoolExecutor(max_workers=max(os.cpu_count() or 1, 2), thread_name_prefix="media")
_LONG_CPU_POOL: Final = ThreadPoolExecutor(max_workers=max(os.cpu_count() or 1, 2), thread_name_prefix="lecture")


async def run_cpu_bound(work: Callable[[], T]) -> T:
    """Run work that takes a core for seconds, in order of arrival."""
    return await asyncio.get_running_loop().run_in_executor(_CPU_POOL, partial(copy_context().run, work))


async def run_long_cpu_bound(work: Callable[[Event], T]) -> T:
    """Run work that takes a core for minutes. A cancelled caller sets the signal, and waits until the work has stopped.

    So the caller does not delete files that are in use. Work that has not started by then never starts.
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
