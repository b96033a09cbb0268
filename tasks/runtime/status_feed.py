"""How all jobs of a process wait for a vendor: with few status requests, however many jobs there are."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from random import uniform
from typing import Any, Final, TypeVar

from tasks.runtime.vendor_account import VendorAccount
from videojobs.aio.per_loop import PerLoop
from videojobs.errors import VendorIdNotFound
from videojobs.providers.base import VendorStatus
from videojobs.providers.batch_poller import BatchPoller

T = TypeVar("T")

_MAX_CACHED_STATUSES: Final = 1000  # each is used by its job at once, or its run has died


@dataclass
class _LoopState:
    """Of one event loop: pollers by account, long polls by provider, and the last statuses."""

    pollers: dict[tuple[str, str], BatchPoller[VendorStatus]] = field(default_factory=dict)
    long_polls: dict[str, asyncio.Semaphore] = field(default_factory=dict)
    final_statuses: dict[tuple[str, str], VendorStatus] = field(default_factory=dict)

    def poller_for(self, account: VendorAccount, max_batch: int) -> BatchPoller[VendorStatus]:
        key = (account.provider.key, account.block_name)
        if key not in self.pollers:
            self.pollers[key] = BatchPoller(account.status, max_batch=max_batch)
        return self.pollers[key]


_loop_states: Final = PerLoop(_LoopState)


def cache_status(provider: str, vendor_id: str, status: VendorStatus) -> None:
    """Keep the final status for the step that stores the result, which then need not query it again."""
    statuses = _loop_states.get().final_statuses
    statuses[provider, vendor_id] = status
    if len(statuses) > _MAX_CACHED_STATUSES:
        del statuses[next(iter(statuses))]


def pop_status(provider: str, vendor_id: str) -> VendorStatus | None:
    """Once only: a second attempt may need a fresh link."""
    return _loop_states.get().final_statuses.pop((provider, vendor_id), None)


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    status: VendorStatus
    from_batch: bool
    """From a request for many submissions: too many to query the progress of each."""


class StatusFeed:
    """The statuses of one submission during one attempt at waiting.

    By a long poll where the vendor has them and one is free, else by the requests that all jobs of the account share.
    """

    def __init__(self, account: VendorAccount, vendor_id: str, *, expects_callback: Callable[[], bool]) -> None:
        state, self._timings = _loop_states.get(), account.provider.poll_timings
        self._account, self._vendor_id, self._expects_callback = account, vendor_id, expects_callback
        self._poller = state.poller_for(account, self._timings.max_batch)
        self._long_polls = state.long_polls.setdefault(
            account.provider.key, asyncio.Semaphore(self._timings.max_long_polls)
        )
        self._wake = asyncio.Event()
        self._next_delay = self._timings.initial_delay

    def wake(self) -> None:
        """Query at once: a callback has arrived."""
        if not self._poller.poll_now(self._vendor_id):
            self._wake.set()

    async def next_status(self) -> StatusUpdate:
        """Raises VendorIdNotFound where the vendor does not know the id, or what the request raised."""
        if self._long_polls.locked():
            return StatusUpdate(self._require(await self._wait_in_batch()), from_batch=True)
        async with self._long_polls:
            return StatusUpdate(self._require(await self._long_poll()), from_batch=False)

    def _require(self, status: VendorStatus | None) -> VendorStatus:
        if status is None:
            raise VendorIdNotFound(f"{self._account.provider.display_name} does not show {self._vendor_id}")
        return status

    async def _wait_in_batch(self) -> VendorStatus | None:
        within = 0.0 if self._wake.is_set() else self._pause()
        self._wake.clear()
        return await self._poller.wait_for(self._vendor_id, within)

    def _pause(self) -> float:
        """Seconds, randomised so that jobs do not poll in step."""
        timings = self._timings
        pause = self._next_delay
        self._next_delay = max(min(pause * 1.5, timings.max_delay), timings.min_delay)
        if pause and self._expects_callback():
            pause = timings.delay_with_callback
        if timings.max_requests_per_second is not None:
            pause = max(pause, self._poller.requests_needed / timings.max_requests_per_second)
        return pause * uniform(0.8, 1.2)  # noqa: S311  # no secret

    async def _long_poll(self) -> VendorStatus | None:
        await self._account.pace_read()
        self._wake.clear()  # this request covers every earlier callback
        waiting = self._account.query([self._vendor_id], self._timings.long_poll)
        try:
            found = await _await_unless_set(self._wake, waiting)
        except _Interrupted:
            found = await self._account.status([self._vendor_id])
        return found.get(self._vendor_id)


class _Interrupted(Exception):
    """The event was set before the result was there."""


async def _await_unless_set(event: asyncio.Event, request: Coroutine[Any, Any, T]) -> T:
    """Raises _Interrupted, and cancels the request, when `event` is set first."""
    request_task, event_task = asyncio.create_task(request), asyncio.create_task(event.wait())
    try:
        await asyncio.wait((request_task, event_task), return_when=asyncio.FIRST_COMPLETED)
        if not request_task.done():
            raise _Interrupted
        return await request_task
    finally:
        request_task.cancel()
        event_task.cancel()
        await asyncio.gather(request_task, event_task, return_exceptions=True)
