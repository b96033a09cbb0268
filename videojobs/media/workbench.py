"""Where media is decoded: beside the event loop, and no more of it at once than the machine has cores."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Final, TypeVar

T = TypeVar("T")

# FFmpeg does its work without Python's lock. More at once would not end sooner, and each holds a picture or two.
_BENCH: Final = ThreadPoolExecutor(max_workers=max(os.cpu_count() or 1, 2), thread_name_prefix="media")


async def at_the_bench(work: Callable[[], T]) -> T:
    """Do what takes a core for seconds. Those who come first are served first."""
    return await asyncio.get_running_loop().run_in_executor(_BENCH, partial(copy_context().run, work))
