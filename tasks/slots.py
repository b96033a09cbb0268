"""A place at a vendor. A job that waits for one costs nothing; the numbers are Prefect global concurrency limits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from prefect.concurrency.asyncio import concurrency

SYNC_SO_GENERATIONS: Final = "sync-so-generations"
GHOSTCUT_WORKS: Final = "ghostcut-works"


@asynccontextmanager
async def slot(name: str) -> AsyncIterator[None]:
    """Hold one place of the limit `name`, from submission until the vendor is done."""
    # A place that could not be renewed is no reason to stop watching a generation that is paid for.
    async with concurrency(name, occupy=1, raise_on_lease_renewal_failure=False):
        yield
