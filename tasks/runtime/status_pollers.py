"""How all jobs of a process wait together: few questions to a vendor, however many jobs there are."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from random import uniform
from typing import Any, Final, TypeVar

from blocks import Connections
from tasks.runtime.concurrency import SYNC_SO_READS, rate_limit
from videojobs.aio.per_loop import PerLoop
from videojobs.errors import VendorIdNotFound
from videojobs.providers.batch_poller import BatchPoller
from videojobs.providers.ghostcut.schemas import WorkStatus
from videojobs.providers.sync_so.client import MAX_LIST_SIZE
from videojobs.providers.sync_so.schemas import Generation
from videojobs.settings import AccessSettings, TimingSettings

S = TypeVar("S")

_MAX_LISTS_PER_SECOND = 2  # to Sync.so, see `Timings.sync_long_polls`
_MAX_CACHED_STATUSES: Final = 1000  # last words of vendors: each is taken by its job at once, or its run has died


@dataclass
class _PollerRegistry:
    """Of one event loop: watches by the block whose account they ask with, and places for long polls."""

    timings: TimingSettings = field(default_factory=TimingSettings.current)
    has_public_url: bool = field(default_factory=lambda: AccessSettings.current().public_url is not None)
    pollers: dict[object, BatchPoller[Any]] = field(default_factory=dict)
    final_statuses: dict[str, object] = field(default_factory=dict)
    long_poll_slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.long_poll_slots = asyncio.Semaphore(self.timings.sync_long_polls)

    def get_poller(self, key: object, make: Callable[[], BatchPoller[S]]) -> BatchPoller[S]:
        if key not in self.pollers:
            self.pollers[key] = make()
        return self.pollers[key]


_registries: Final = PerLoop(_PollerRegistry)


def cache_status(vendor_id: str, status: object) -> None:
    """What a vendor said when it was done, for the step that fetches the result: it need not ask again."""
    statuses = _registries.get().final_statuses
    statuses[vendor_id] = status
    if len(statuses) > _MAX_CACHED_STATUSES:
        del statuses[next(iter(statuses))]


def pop_status(vendor_id: str, kind: type[S]) -> S | None:
    """Once only: a second try may need a fresh link."""
    status = _registries.get().final_statuses.pop(vendor_id, None)
    return status if isinstance(status, kind) else None


def work_status_poller(connections: Connections) -> BatchPoller[WorkStatus]:
    """The watch on the works of this GhostCut account."""

    async def fetch(work_ids: Sequence[str]) -> dict[str, WorkStatus]:
        async with connections.ghostcut_client() as client:
            return await client.status(work_ids)

    registry = _registries.get()
    return registry.get_poller(
        ("ghostcut", connections.ghostcut), lambda: BatchPoller(fetch, max_batch=registry.timings.ghostcut_status_batch)
    )


class PollBackoff:
    """From one question about a work to the next, each a little different, so that jobs do not march in step."""

    def __init__(self) -> None:
        self._next_delay = 0.0  # whoever takes a job up again does not know how long it has been done

    def next_delay(self, *, wakes_on_callback: bool) -> float:
        """How many seconds to wait this time; `woken` where a callback of the vendor would end the wait."""
        timings = _registries.get().timings
        pause, self._next_delay = self._next_delay, min(self._next_delay * 1.5, timings.ghostcut_poll_max_seconds)
        self._next_delay = max(self._next_delay, timings.ghostcut_poll_first_seconds)
        if pause and wakes_on_callback and _registries.get().has_public_url:
            pause = timings.ghostcut_poll_callback_seconds
        return pause * uniform(0.8, 1.2)  # noqa: S311  # no secret


@dataclass(frozen=True, slots=True)
class StatusUpdate:
    generation: Generation
    from_list: bool
    """Among many others: how far it is cannot be asked for each of so many."""


async def next_status(connections: Connections, generation_id: str, wake: asyncio.Event) -> StatusUpdate:
    """How a generation stands, by a long poll; where others take up all places for those, by a list for many.

    Asked for at once when `woken` is set: a callback of the vendor has come.
    """
    registry = _registries.get()
    if not registry.long_poll_slots.locked():
        async with registry.long_poll_slots:
            return StatusUpdate(await _long_poll(connections, generation_id, wake), from_list=False)
    poller = _generation_status_poller(connections)
    max_age = (
        0.0
        if wake.is_set()
        else max(registry.timings.sync_list_seconds, poller.requests_needed / _MAX_LISTS_PER_SECOND)
    )
    wake.clear()
    try:
        found = await _await_interruptible(wake, poller.wait_for(generation_id, max_age))
    except _Interrupted:
        found = await poller.wait_for(generation_id, 0)
    if found is None:
        raise VendorIdNotFound(f"Sync.so does not list generation {generation_id}")
    return StatusUpdate(found, from_list=True)


async def _long_poll(connections: Connections, generation_id: str, wake: asyncio.Event) -> Generation:
    await rate_limit(SYNC_SO_READS)
    wake.clear()  # this question answers what was rung before it
    async with connections.sync_so_client() as client:
        try:
            return await _await_interruptible(
                wake, client.get(generation_id, wait_seconds=_registries.get().timings.sync_long_poll_seconds)
            )
        except _Interrupted:
            await rate_limit(SYNC_SO_READS)
            return await client.get(generation_id)


class _Interrupted(Exception):
    """Somebody has rung before the answer was there."""


async def _await_interruptible(wake: asyncio.Event, answer: Coroutine[Any, Any, S]) -> S:
    """The answer. Raises _Woken, and waits for it no more, when `woken` is set first."""
    answer_task, wake_task = asyncio.create_task(answer), asyncio.create_task(wake.wait())
    try:
        await asyncio.wait((answer_task, wake_task), return_when=asyncio.FIRST_COMPLETED)
        if not answer_task.done():
            raise _Interrupted
        return await answer_task
    finally:
        answer_task.cancel()
        wake_task.cancel()
        await asyncio.gather(answer_task, wake_task, return_exceptions=True)


def _generation_status_poller(connections: Connections) -> BatchPoller[Generation]:
    async def fetch(generation_ids: Sequence[str]) -> dict[str, Generation]:
        await rate_limit(SYNC_SO_READS)
        async with connections.sync_so_client() as client:
            return await client.get_many(generation_ids)

    return _registries.get().get_poller(
        ("sync_so", connections.sync_so), lambda: BatchPoller(fetch, max_batch=MAX_LIST_SIZE)
    )
