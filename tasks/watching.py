"""How all jobs of a process wait together: few questions to a vendor, however many jobs there are."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from random import uniform
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from blocks import Connections
from tasks.slots import SYNC_SO_READS, turn
from videojobs.errors import NotShown
from videojobs.settings import Access, Timings
from videojobs.vendors.ghostcut.wire import WorkStatus
from videojobs.vendors.sync_so.client import LONGEST_LIST
from videojobs.vendors.sync_so.wire import Generation
from videojobs.vendors.watch import Watch

S = TypeVar("S")

_LISTS_A_SECOND = 2  # to Sync.so, see `Timings.sync_long_polls`
_KEPT: Final = 1000  # last words of vendors: each is taken by its job at once, or its run has died


@dataclass
class _Together:
    """Of one event loop: watches by the block whose account they ask with, and places for long polls.

    Settings are read once: a thousand jobs that wait would spend a third of the loop's time on reading them again.
    """

    timings: Timings = field(default_factory=Timings)
    reachable: bool = field(default_factory=lambda: Access().public_url is not None)
    watches: dict[object, Watch[Any]] = field(default_factory=dict)
    last_words: dict[str, object] = field(default_factory=dict)
    long_polls: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.long_polls = asyncio.Semaphore(self.timings.sync_long_polls)

    def watch(self, key: object, make: Callable[[], Watch[S]]) -> Watch[S]:
        if key not in self.watches:
            self.watches[key] = make()
        return self.watches[key]


_together: WeakKeyDictionary[asyncio.AbstractEventLoop, _Together] = WeakKeyDictionary()


def _ours() -> _Together:
    loop = asyncio.get_running_loop()
    if loop not in _together:
        _together[loop] = _Together()
    return _together[loop]


def keep(vendor_id: str, last_word: object) -> None:
    """What a vendor said when it was done, for the step that fetches the result: it need not ask again."""
    words = _ours().last_words
    words[vendor_id] = last_word
    if len(words) > _KEPT:
        del words[next(iter(words))]


def kept(vendor_id: str, kind: type[S]) -> S | None:
    """Once only: a second try may need a fresh link."""
    word = _ours().last_words.pop(vendor_id, None)
    return word if isinstance(word, kind) else None


def works(connections: Connections) -> Watch[WorkStatus]:
    """The watch on the works of this GhostCut account."""

    async def ask(work_ids: Sequence[str]) -> dict[str, WorkStatus]:
        async with connections.ghostcut_client() as client:
            return await client.status(work_ids)

    ours = _ours()
    return ours.watch(("ghostcut", connections.ghostcut), lambda: Watch(ask, most=ours.timings.ghostcut_status_batch))


class WorkPauses:
    """From one question about a work to the next, each a little different, so that jobs do not march in step."""

    def __init__(self) -> None:
        self._next = 0.0  # whoever takes a job up again does not know how long it has been done

    def next(self, *, woken: bool) -> float:
        """How many seconds to wait this time; `woken` where a callback of the vendor would end the wait."""
        timings = _ours().timings
        pause, self._next = self._next, min(self._next * 1.5, timings.ghostcut_poll_max_seconds)
        self._next = max(self._next, timings.ghostcut_poll_first_seconds)
        if pause and woken and _ours().reachable:
            pause = timings.ghostcut_poll_callback_seconds
        return pause * uniform(0.8, 1.2)  # noqa: S311  # no secret


@dataclass(frozen=True, slots=True)
class GenerationNews:
    generation: Generation
    listed: bool
    """Among many others: how far it is cannot be asked for each of so many."""


async def generation_news(connections: Connections, generation_id: str, woken: asyncio.Event) -> GenerationNews:
    """How a generation stands, by a long poll; where others take up all places for those, by a list for many.

    Asked for at once when `woken` is set: a callback of the vendor has come.
    """
    ours = _ours()
    if not ours.long_polls.locked():
        async with ours.long_polls:
            return GenerationNews(await _by_long_poll(connections, generation_id, woken), listed=False)
    watch = _generations(connections)
    within = 0.0 if woken.is_set() else max(ours.timings.sync_list_seconds, watch.requests / _LISTS_A_SECOND)
    woken.clear()
    try:
        found = await _unless(woken, watch.news(generation_id, within))
    except _Woken:
        found = await watch.news(generation_id, 0)
    if found is None:
        raise NotShown(f"Sync.so does not list generation {generation_id}")
    return GenerationNews(found, listed=True)


async def _by_long_poll(connections: Connections, generation_id: str, woken: asyncio.Event) -> Generation:
    await turn(SYNC_SO_READS)
    woken.clear()  # this question answers what was rung before it
    async with connections.sync_so_client() as client:
        try:
            return await _unless(woken, client.get(generation_id, wait_seconds=_ours().timings.sync_long_poll_seconds))
        except _Woken:
            await turn(SYNC_SO_READS)
            return await client.get(generation_id)


class _Woken(Exception):
    """Somebody has rung before the answer was there."""


async def _unless(woken: asyncio.Event, answer: Coroutine[Any, Any, S]) -> S:
    """The answer. Raises _Woken, and waits for it no more, when `woken` is set first."""
    answering, ringing = asyncio.create_task(answer), asyncio.create_task(woken.wait())
    try:
        await asyncio.wait((answering, ringing), return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise _Woken
        return await answering
    finally:
        answering.cancel()
        ringing.cancel()
        await asyncio.gather(answering, ringing, return_exceptions=True)


def _generations(connections: Connections) -> Watch[Generation]:
    async def ask(generation_ids: Sequence[str]) -> dict[str, Generation]:
        await turn(SYNC_SO_READS)
        async with connections.sync_so_client() as client:
            return await client.list_of(generation_ids)

    return _ours().watch(("sync_so", connections.sync_so), lambda: Watch(ask, most=LONGEST_LIST))
