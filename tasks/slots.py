"""A place at a vendor, and a turn to ask it. The numbers are Prefect global concurrency limits, shared by all workers.

The jobs of a process queue up, first come, first served: only the first one asks the Prefect server, which has no order
of its own. A job that waits costs nothing.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Final
from weakref import WeakKeyDictionary

from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError, concurrency, rate_limit

SYNC_SO_GENERATIONS: Final = "sync-so-generations"
GHOSTCUT_WORKS: Final = "ghostcut-works"
"""At a vendor at once."""

SYNC_SO_CREATES: Final = "sync-so-creates"
SYNC_SO_READS: Final = "sync-so-reads"
GHOSTCUT_SUBMITS: Final = "ghostcut-submits"
"""Requests a second."""

_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()


@asynccontextmanager
async def slot(name: str) -> AsyncIterator[None]:
    """Hold one place of the limit `name`, from submission until the vendor is done."""
    async with AsyncExitStack() as held:
        async with _queue(name):
            # A place that could not be renewed is no reason to stop watching a generation that is paid for.
            await held.enter_async_context(concurrency(name, occupy=1, raise_on_lease_renewal_failure=False))
        yield


async def turn(name: str) -> None:
    """Wait until one more request of the limit `name` may go out."""
    async with _queue(name):
        # Where Prefect does not answer: rather a request too many, which the vendor may refuse with "wait", than none.
        with suppress(ConcurrencySlotAcquisitionError):
            await rate_limit(name)


def _queue(name: str) -> asyncio.Lock:
    """asyncio's locks are fair."""
    return _queues.setdefault(asyncio.get_running_loop(), {}).setdefault(name, asyncio.Lock())
