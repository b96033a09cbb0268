"""Concurrency slots and request rate limits per vendor: Prefect global concurrency limits, shared by all workers.

The jobs of a process queue in order of arrival: only the first one requests a slot of the Prefect server, which has no
order of its own. A job that waits costs nothing. One that has a slot costs a sleeping coroutine: Prefect's own
`concurrency` keeps a thread with a client of its own for each slot, 2 MB and more, too much for a thousand jobs.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from typing import Final
from uuid import UUID

from httpx import HTTPStatusError, Response, TransportError
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.responses import ConcurrencyLimitWithLeaseResponse
from prefect.logging import get_run_logger
from tenacity import AsyncRetrying, retry_if_exception, wait_fixed

from videojobs.aio.idle_signal import notify_idle
from videojobs.aio.per_loop import PerLoop
from videojobs.settings import TimingSettings

_RENEWAL_FRACTION: Final = 2 / 3  # of a lease
_RETRY_SECONDS: Final = 10.0  # if the server did not respond: several tries before the lease expires

_releases: Final[set[asyncio.Task[None]]] = set()  # the event loop itself holds only weak references to tasks
_queues: Final = PerLoop[dict[str, asyncio.Lock]](dict)  # by limit


@asynccontextmanager
async def vendor_slot(name: str) -> AsyncIterator[None]:
    """Hold one slot of the limit `name`, from submission until the vendor is done.

    A slot whose lease could not be renewed does not stop the wait for a generation that is paid for. If there is no
    such limit, the number of slots is unlimited.
    """
    async with get_client() as client:
        seconds = TimingSettings.current().slot_lease_seconds
        async with _fair_queue(name):
            lease = await _acquire(client, name, seconds)
        if lease is None:
            get_run_logger().warning("The limit %s does not exist: run `make deploy`", name)
            yield
            return
        renewal_task = asyncio.create_task(_renew_loop(client, lease, seconds))
        try:
            yield
        except BaseException:
            renewal_task.cancel()
            await _release(lease)  # the run may end with this, and its loop with it
            raise
        renewal_task.cancel()
        release_task = asyncio.create_task(_release(lease))  # the result is fetched meanwhile
        _releases.add(release_task)
        release_task.add_done_callback(_releases.discard)


async def rate_limit(name: str) -> None:
    """Wait until one more request under the limit `name` may be sent.

    Prefect's own `rate_limit` also emits an event per request: one in eight of all events of a job.
    """
    async with _fair_queue(name), get_client() as client:
        # If Prefect does not respond, send anyway: the vendor may reject a surplus request with "wait".
        with suppress(HTTPStatusError, TransportError):
            await _retry_while_locked(lambda: client.increment_concurrency_slots([name], 1, "rate_limit"))


async def _acquire(client: PrefectClient, name: str, seconds: int) -> UUID | None:
    """The lease of a slot, once one is free; None if there is no such limit. Waits while the server is unavailable."""
    retrying = AsyncRetrying(retry=retry_if_exception(_is_server_away), wait=wait_fixed(_RETRY_SECONDS))
    response: Response = await retrying(
        _retry_while_locked,
        lambda: client.increment_concurrency_slots_with_lease([name], 1, "concurrency", seconds),
    )
    lease_response = ConcurrencyLimitWithLeaseResponse.model_validate(response.json())
    return lease_response.lease_id if lease_response.limits else None


def _is_server_away(error: BaseException) -> bool:
    if isinstance(error, HTTPStatusError):
        return error.response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, TransportError)


async def _retry_while_locked(request: Callable[[], Awaitable[Response]]) -> Response:
    """The server's response, once a slot is free. Raises what httpx raises."""
    while True:
        try:
            return await request()
        except HTTPStatusError as error:
            if error.response.status_code != HTTPStatus.LOCKED:
                raise
            notify_idle()
            await asyncio.sleep(float(error.response.headers["Retry-After"]))


async def _renew_loop(client: PrefectClient, lease: UUID, seconds: int) -> None:
    """Renew the lease until cancelled, or until it has expired."""
    pause = seconds * _RENEWAL_FRACTION
    while True:
        await asyncio.sleep(pause)
        try:
            await client.renew_concurrency_lease(lease, seconds)
            pause = seconds * _RENEWAL_FRACTION
        except HTTPStatusError as error:
            if error.response.status_code == HTTPStatus.GONE:
                get_run_logger().warning("The lease of the vendor slot has expired; this job continues without it")
                return
            pause = _RETRY_SECONDS
        except TransportError:
            pause = _RETRY_SECONDS


async def _release(lease: UUID) -> None:
    """If Prefect does not respond, the lease expires by itself."""
    with suppress(HTTPStatusError, TransportError):
        async with get_client() as client:
            await client.release_concurrency_slots_with_lease(lease)


@asynccontextmanager
async def _fair_queue(name: str) -> AsyncIterator[None]:
    """First come, first served: asyncio's locks are fair."""
    queue = _queues.get().setdefault(name, asyncio.Lock())
    if queue.locked():
        notify_idle()
    async with queue:
        yield
