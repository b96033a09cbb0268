"""Coalesces status polls: one request covers all ids of a process that are due.

A request is sent when the first id is due. It covers further ids as far as they fit, the next due first, but none
before half of its interval has passed: otherwise each event at the vendor would cost one request per hundred jobs, and
wake them all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from math import inf
from typing import Generic, TypeVar

S = TypeVar("S")
FetchStatuses = Callable[[Sequence[str]], Awaitable[Mapping[str, S]]]


@dataclass
class _PendingId(Generic[S]):
    """An id with its waiters. Times are the event loop's."""

    waiters: dict[asyncio.Future[S | None], Context] = field(default_factory=dict)
    poll_by: float = inf
    """When it is due."""
    eligible_at: float = inf
    """From when on it may be polled together with others."""

    def schedule_within(self, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        self.poll_by, self.eligible_at = min(self.poll_by, now + seconds), min(self.eligible_at, now + seconds / 2)


class BatchPoller(Generic[S]):
    """Queries up to `max_batch` ids in one call of `fetch`. Belongs to one event loop."""

    def __init__(self, fetch: FetchStatuses[S], *, max_batch: int) -> None:
        self._fetch = fetch
        self._max_batch = max_batch
        self._pending: dict[str, _PendingId[S]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def requests_needed(self) -> int:
        """For all pending ids."""
        return -(-len(self._pending) // self._max_batch)

    async def wait_for(self, id_: str, within: float) -> S | None:
        """The status, polled `within` seconds; None where the response does not contain the id.

        Raises what `fetch` raised.
        """
        waiter: asyncio.Future[S | None] = asyncio.get_running_loop().create_future()
        # The request runs in the context of a waiter: its settings, its logs, its fault points.
        pending = self._pending.setdefault(id_, _PendingId())
        context = pending.waiters[waiter] = copy_context()
        pending.schedule_within(within)
        self._schedule_poll(pending.poll_by, context)
        try:
            return await waiter
        finally:
            self._remove_waiter(id_, waiter)

    def poll_now(self, id_: str) -> bool:
        """Poll at once if something waits for the id; False otherwise."""
        if (pending := self._pending.get(id_)) is None:
            return False
        pending.schedule_within(0)
        self._schedule_poll(pending.poll_by, next(iter(pending.waiters.values())))
        return True

    def _remove_waiter(self, id_: str, waiter: asyncio.Future[S | None]) -> None:
        if pending := self._pending.get(id_):
            pending.waiters.pop(waiter, None)
            if not pending.waiters:
                del self._pending[id_]

    def _schedule_poll(self, poll_by: float, context: Context) -> None:
        """At this time or earlier."""
        if self._timer is None or poll_by < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(poll_by, self._poll, poll_by, context=context)

    def _poll(self, poll_by: float) -> None:
        """Query all ids that are due, and others as far as they fit; later ones wait for the next request."""
        self._timer = None
        now = max(poll_by, asyncio.get_running_loop().time())
        eligible = [id_ for id_, wanted in self._pending.items() if wanted.eligible_at <= now]
        eligible.sort(key=lambda id_: self._pending[id_].poll_by)
        due_count = sum(self._pending[id_].poll_by <= now for id_ in eligible)
        selected = eligible[: -(-due_count // self._max_batch) * self._max_batch]
        for first in range(0, len(selected), self._max_batch):
            batch = {id_: self._pending.pop(id_).waiters for id_ in selected[first : first + self._max_batch]}
            task = asyncio.create_task(self._poll_batch(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if self._pending:
            earliest = min(self._pending.values(), key=lambda wanted: wanted.poll_by)
            self._schedule_poll(earliest.poll_by, next(iter(earliest.waiters.values())))

    async def _poll_batch(self, waiters_by_id: Mapping[str, Iterable[asyncio.Future[S | None]]]) -> None:
        found: Mapping[str, S] = {}
        failure: Exception | None = None
        try:
            found = await self._fetch(list(waiters_by_id))
        except Exception as error:
            failure = error
        for id_, waiters in waiters_by_id.items():
            for waiter in [waiter for waiter in waiters if not waiter.done()]:
                if failure is not None:
                    waiter.set_exception(failure)
                else:
                    waiter.set_result(found.get(id_))
