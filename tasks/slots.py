"""A place at a vendor, and a turn to ask it. The numbers are Prefect global concurrency limits, shared by all workers.

The jobs of a process queue up, first come, first served: only the first one asks the Prefect server, which has no order
of its own. A job that waits costs nothing. One that has a place costs a coroutine that sleeps: Prefect's own
`concurrency` keeps a thread with a client of its own for each place, 2 MB and more, which a thousand jobs cannot have.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

from httpx import HTTPStatusError, Response, TransportError
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.responses import ConcurrencyLimitWithLeaseResponse
from prefect.logging import get_run_logger

from videojobs.at_rest import at_rest
from videojobs.settings import Timings

SYNC_SO_GENERATIONS: Final = "sync-so-generations"
GHOSTCUT_WORKS: Final = "ghostcut-works"
"""At a vendor at once."""

SYNC_SO_CREATES: Final = "sync-so-creates"
SYNC_SO_READS: Final = "sync-so-reads"
GHOSTCUT_SUBMITS: Final = "ghostcut-submits"
"""Requests a second."""

_RENEWED_AFTER: Final = 2 / 3  # of a lease
_AGAIN_SECONDS: Final = 10.0  # where the server did not answer: many times before the lease runs out

_giving: Final[set[asyncio.Task[None]]] = set()  # the event loop itself keeps no task alive
_queues: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Lock]] = WeakKeyDictionary()


@asynccontextmanager
async def slot(name: str) -> AsyncIterator[None]:
    """Hold one place of the limit `name`, from submission until the vendor is done.

    A place whose lease could not be renewed is no reason to stop watching a generation that is paid for. Where there is
    no such limit there are places for all.
    """
    async with get_client() as client:
        seconds = Timings().place_lease_seconds
        async with _in_line(name):
            lease = await _take(client, name, seconds)
        if lease is None:
            get_run_logger().warning("The limit %s does not exist: run `make register`", name)
            yield
            return
        renewing = asyncio.create_task(_renewed(client, lease, seconds))
        try:
            yield
        except BaseException:
            renewing.cancel()
            await _given_back(lease)  # the run may end with this, and its loop with it
            raise
        renewing.cancel()
        giving = asyncio.create_task(_given_back(lease))  # the result is fetched meanwhile
        _giving.add(giving)
        giving.add_done_callback(_giving.discard)


async def turn(name: str) -> None:
    """Wait until one more request of the limit `name` may go out.

    Prefect's own `rate_limit` also makes an event of each turn: one in eight of all that the server hears of a job.
    """
    async with _in_line(name), get_client() as client:
        # Where Prefect does not answer: rather a request too many, which the vendor may refuse with "wait", than none.
        with suppress(HTTPStatusError, TransportError):
            await _granted(lambda: client.increment_concurrency_slots([name], 1, "rate_limit"))


async def _take(client: PrefectClient, name: str, seconds: int) -> UUID | None:
    """The lease of a place, once there is one; None where there is no such limit."""
    while True:
        try:
            response = await _granted(
                lambda: client.increment_concurrency_slots_with_lease([name], 1, "concurrency", seconds)
            )
        except HTTPStatusError as error:
            if error.response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            await asyncio.sleep(_AGAIN_SECONDS)
        except TransportError:
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            granted = ConcurrencyLimitWithLeaseResponse.model_validate(response.json())
            return granted.lease_id if granted.limits else None


async def _granted(ask: Callable[[], Awaitable[Response]]) -> Response:
    """The server's answer, once there is room. Raises what httpx raises."""
    while True:
        try:
            return await ask()
        except HTTPStatusError as error:
            if error.response.status_code != HTTPStatus.LOCKED:
                raise
            at_rest()
            await asyncio.sleep(float(error.response.headers["Retry-After"]))


async def _renewed(client: PrefectClient, lease: UUID, seconds: int) -> None:
    """Renew it until cancelled, or until it is gone."""
    pause = seconds * _RENEWED_AFTER
    while True:
        await asyncio.sleep(pause)
        try:
            await client.renew_concurrency_lease(lease, seconds)
            pause = seconds * _RENEWED_AFTER
        except HTTPStatusError as error:
            if error.response.status_code == HTTPStatus.GONE:
                get_run_logger().warning("The place at the vendor is another job's now; this job goes on")
                return
            pause = _AGAIN_SECONDS
        except TransportError:
            pause = _AGAIN_SECONDS


async def _given_back(lease: UUID) -> None:
    """Where Prefect does not answer, the lease runs out by itself."""
    with suppress(HTTPStatusError, TransportError):
        async with get_client() as client:
            await client.release_concurrency_slots_with_lease(lease)


@asynccontextmanager
async def _in_line(name: str) -> AsyncIterator[None]:
    """First come, first served: asyncio's locks are fair."""
    queue = _queues.setdefault(asyncio.get_running_loop(), {}).setdefault(name, asyncio.Lock())
    if queue.locked():
        at_rest()
    async with queue:
        yield
