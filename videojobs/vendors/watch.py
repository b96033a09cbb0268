"""One question about everything that a process waits for, where each job would else ask for itself.

The request goes out when the most eager job wants to know. It takes along as many others as it has room for: first
those that would ask next, but nobody before half of its time is over. Did all of them come along, each event at the
vendor would cost a request for every hundred jobs, and wake them all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from math import inf
from typing import Generic, TypeVar

S = TypeVar("S")
Ask = Callable[[Sequence[str]], Awaitable[Mapping[str, S]]]


@dataclass
class _Wanted(Generic[S]):
    """An id that somebody waits for. Times are the event loop's."""

    waiters: dict[asyncio.Future[S | None], Context] = field(default_factory=dict)
    due: float = inf
    """When to ask about it at the latest."""
    ripe: float = inf
    """From when on it comes along with others."""

    def within(self, seconds: float) -> None:
        now = asyncio.get_running_loop().time()
        self.due, self.ripe = min(self.due, now + seconds), min(self.ripe, now + seconds / 2)


class Watch(Generic[S]):
    """Asks about many ids in one call of `ask`, at most `most` of them. Belongs to one event loop."""

    def __init__(self, ask: Ask[S], *, most: int) -> None:
        self._ask = ask
        self._most = most
        self._waiting: dict[str, _Wanted[S]] = {}
        self._hurried: set[str] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._asking: set[asyncio.Task[None]] = set()

    @property
    def requests(self) -> int:
        """How many it takes to ask about all that wait."""
        return -(-len(self._waiting) // self._most)

    async def news(self, id_: str, within: float) -> S | None:
        """How it stands, asked for within so many seconds; None where the answer does not name it.

        Raises what the question raised.
        """
        waiter: asyncio.Future[S | None] = asyncio.get_running_loop().create_future()
        # In the context of who wants to know: its settings, its logs, its fault points.
        wanted = self._waiting.setdefault(id_, _Wanted())
        context = wanted.waiters[waiter] = copy_context()
        wanted.within(0 if id_ in self._hurried else within)
        self._ask_at(wanted.due, context)
        self._hurried.discard(id_)
        try:
            return await waiter
        finally:
            self._leave(id_, waiter)

    def hurry(self, id_: str) -> None:
        """Something has happened to it: ask now, or as soon as somebody waits for it again."""
        if wanted := self._waiting.get(id_):
            wanted.within(0)
            self._ask_at(wanted.due, next(iter(wanted.waiters.values())))
        else:
            self._hurried.add(id_)

    def forget(self, id_: str) -> None:
        """Nobody will wait for it again."""
        self._hurried.discard(id_)

    def _leave(self, id_: str, waiter: asyncio.Future[S | None]) -> None:
        if wanted := self._waiting.get(id_):
            wanted.waiters.pop(waiter, None)
            if not wanted.waiters:
                del self._waiting[id_]

    def _ask_at(self, due: float, context: Context) -> None:
        """Or before."""
        if self._timer is None or due < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_at(due, self._go, due, context=context)

    def _go(self, due: float) -> None:
        """Ask about all that are due, and who else has room; who comes later waits for the next question."""
        self._timer = None
        now = max(due, asyncio.get_running_loop().time())
        ripe = [id_ for id_, wanted in self._waiting.items() if wanted.ripe <= now]
        ripe.sort(key=lambda id_: self._waiting[id_].due)
        eager = sum(self._waiting[id_].due <= now for id_ in ripe)
        asked = ripe[: -(-eager // self._most) * self._most]
        for first in range(0, len(asked), self._most):
            batch = {id_: self._waiting.pop(id_).waiters for id_ in asked[first : first + self._most]}
            task = asyncio.create_task(self._answer(batch))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
        if self._waiting:
            soonest = min(self._waiting.values(), key=lambda wanted: wanted.due)
            self._ask_at(soonest.due, next(iter(soonest.waiters.values())))

    async def _answer(self, asked: Mapping[str, Iterable[asyncio.Future[S | None]]]) -> None:
        found: Mapping[str, S] = {}
        failure: Exception | None = None
        try:
            found = await self._ask(list(asked))
        except Exception as error:
            failure = error
        for id_, waiters in asked.items():
            for waiter in [waiter for waiter in waiters if not waiter.done()]:
                if failure is not None:
                    waiter.set_exception(failure)
                else:
                    waiter.set_result(found.get(id_))
