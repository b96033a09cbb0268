"""One question about everything that a process waits for, where each job would else ask for itself.

The request goes out when the most eager job wants to know; its answer is news for all others, too.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextvars import Context, copy_context
from typing import Generic, TypeVar

S = TypeVar("S")
Ask = Callable[[Sequence[str]], Awaitable[Mapping[str, S]]]


class Watch(Generic[S]):
    """Asks about many ids in one call of `ask`, at most `most` of them. Belongs to one event loop."""

    def __init__(self, ask: Ask[S], *, most: int) -> None:
        self._ask = ask
        self._most = most
        self._waiting: dict[str, dict[asyncio.Future[S | None], Context]] = {}
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
        context = self._waiting.setdefault(id_, {})[waiter] = copy_context()
        self._ask_within(0 if id_ in self._hurried else within, context)
        self._hurried.discard(id_)
        try:
            return await waiter
        finally:
            self._leave(id_, waiter)

    def hurry(self, id_: str) -> None:
        """Something has happened to it: ask now, or as soon as somebody waits for it again."""
        if waiters := self._waiting.get(id_):
            self._ask_within(0, next(iter(waiters.values())))
        else:
            self._hurried.add(id_)

    def forget(self, id_: str) -> None:
        """Nobody will wait for it again."""
        self._hurried.discard(id_)

    def _leave(self, id_: str, waiter: asyncio.Future[S | None]) -> None:
        if waiters := self._waiting.get(id_):
            waiters.pop(waiter, None)
            if not waiters:
                del self._waiting[id_]

    def _ask_within(self, seconds: float, context: Context) -> None:
        """At the latest."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        if self._timer is None or due < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(due, self._go, context=context)

    def _go(self) -> None:
        """Ask about all that wait now; who comes later waits for the next question."""
        self._timer = None
        asked, self._waiting = list(self._waiting.items()), {}
        for first in range(0, len(asked), self._most):
            task = asyncio.create_task(self._answer(dict(asked[first : first + self._most])))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)

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
