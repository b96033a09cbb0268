"""A place at a vendor. A job that waits for one costs nothing; the numbers are Prefect global concurrency limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final
from weakref import WeakKeyDictionary

from prefect.concurrency.asyncio import concurrency

SYNC_SO_GENERATIONS: Final = "sync-so-generations"
GHOSTCUT_WORKS: Final = "ghostcut-works"

_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()


@asynccontextmanager
async def slot(name: str) -> AsyncIterator[None]:
    """Hold one place of the limit `name`, from submission until the vendor is done.

    The jobs of a process queue up, first come, first served: only the first one asks the Prefect server, which has
    no order of its own.
    """
    async with AsyncExitStack() as held:
        async with _queue(name):
            # A place that could not be renewed is no reason to stop watching a generation that is paid for.
            await held.enter_async_context(concurrency(name, occupy=1, raise_on_lease_renewal_failure=False))
        yield


def _queue(name: str) -> asyncio.Lock:
    """asyncio's locks are fair."""
    return _queues.setdefault(asyncio.get_running_loop(), {}).setdefault(name, asyncio.Lock())
