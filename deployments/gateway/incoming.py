"""A file on its way from a client into the storage, piece by piece, with little of it in memory.

A part is sent while the next one is filled. All uploads together have so many parts in memory (`Room`): one that finds
none free waits, which is not read meanwhile, so the client's own network holds it back.
"""

import asyncio
import hashlib
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

from deployments.gateway.multipart import SMALLEST_PART, Multipart
from deployments.gateway.problems import Refused
from videojobs.errors import VideoJobError
from videojobs.media.store import ObjectStore, StoredObject

T = TypeVar("T")

_TURNS: Final = 1  # pieces of 256 KB that are looked through in a round of the event loop: 2 ms
_PAUSE: Final = 0.004  # seconds between two pieces where several uploads wait: the time of those who ask for a status
_THREADS: Final = 8  # boto3 keeps 10 connections open; more threads would only wait for the same network
_NICENESS: Final = 5  # a third of the processor time that others get, where there is not enough for all
_COME_AGAIN: Final = {"Retry-After": "10"}  # seconds; an upload takes about as long


class Room:
    """What all uploads of a process share: places, parts in memory, threads, and the event loop's time."""

    def __init__(self, *, uploads: int, parts: int) -> None:
        self._places = uploads
        self._taken: Counter[str] = Counter()  # by user
        self._parts = asyncio.Semaphore(parts)
        self._share = max(1, parts // 2)
        self._shares: dict[str, asyncio.Semaphore] = {}  # by user, of those who have uploads
        self._spare: list[bytearray] = []
        self._turns = asyncio.Semaphore(_TURNS)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="upload", initializer=_stand_back)

    @contextmanager
    def place(self, user_id: str) -> Iterator[None]:
        """For one upload. Raises a refusal where all are taken, or half of them by this user."""
        if self.is_full:
            raise Refused(503, "Too many uploads at once; come again soon.", headers=_COME_AGAIN)
        if self._taken[user_id] >= max(1, self._places // 2):
            raise Refused(429, "Too many uploads of yours at once; come again soon.", headers=_COME_AGAIN)
        self._taken[user_id] += 1
        try:
            yield
        finally:
            self._taken[user_id] -= 1
            self._taken += Counter()  # drops those who have none
            if user_id not in self._taken:
                self._shares.pop(user_id, None)
            if self.is_empty:
                self._spare.clear()

    @property
    def is_full(self) -> bool:
        """Whether the next upload is asked to come again."""
        return self._taken.total() >= self._places

    @property
    def is_empty(self) -> bool:
        """Whether no upload is on its way."""
        return not self._taken.total()

    async def turn(self) -> None:
        """Before a piece is looked through. Fifty that come at once would else keep all others waiting for a second."""
        is_crowded = self._turns.locked()
        await self._turns.acquire()
        asyncio.get_running_loop().call_later(_PAUSE if is_crowded else 0, self._turns.release)

    def share_of(self, user_id: str) -> asyncio.Semaphore:
        """Half of all parts: who sends many files slowly holds up nobody but himself."""
        return self._shares.setdefault(user_id, asyncio.Semaphore(self._share))

    async def part(self, share: asyncio.Semaphore) -> bytearray:
        """Memory for a part, as soon as there is some; `give_back` it: fresh memory costs more than filling it."""
        await share.acquire()
        try:
            await self._parts.acquire()
        except BaseException:
            share.release()
            raise
        return self._spare.pop() if self._spare else bytearray(SMALLEST_PART)

    def give_back(self, part: bytearray, share: asyncio.Semaphore) -> None:
        """It is sent, or is not wanted."""
        self._spare.append(part)
        self._parts.release()
        share.release()

    async def in_thread(self, work: Callable[[], T]) -> T:
        """To its end, also where nobody waits for it any more: what it stores would else come after its removal."""
        working = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            await asyncio.wait({working})
            raise

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _stand_back() -> None:
    """This thread lets the event loop go first: hashing is nothing that anybody waits for at a screen."""
    if sys.platform == "linux":  # where a thread has a niceness of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that is in the storage as a whole."""

    stored: StoredObject
    sha256: str


class Incoming:
    """One file. Whoever makes it calls `finish`, or `abort`."""

    def __init__(self, room: Room, user_id: str, store: ObjectStore, key: str, content_type: str) -> None:
        self._room = room
        self._share = room.share_of(user_id)
        self._store = store
        self._key = key
        self._content_type = content_type
        self._part: bytearray | None = None  # being filled
        self._filled = 0  # bytes of it
        self._sending: asyncio.Task[None] | None = None  # the part before
        self._multipart: Multipart | None = None
        self._etags: list[str] = []
        self._hash = hashlib.sha256()
        self._size = 0

    async def write(self, content: bytes) -> None:
        """Take a piece, of some 64 KB; waits while there is no room."""
        self._size += len(content)
        rest = memoryview(content)
        while rest:
            if self._part is None:
                self._part, self._filled = await self._room.part(self._share), 0
            now, rest = rest[: SMALLEST_PART - self._filled], rest[SMALLEST_PART - self._filled :]
            self._part[self._filled : self._filled + len(now)] = now
            self._filled += len(now)
            if self._filled == SMALLEST_PART:
                await self._hand_over()

    async def finish(self) -> Arrived:
        """All pieces have come."""
        if self._multipart is None and self._sending is None:
            stored = await self._room.in_thread(self._put_small)
            self._free()
        else:
            if self._part is not None:
                await self._hand_over()
            await self._sent()
            multipart = self._multipart
            assert multipart is not None  # noqa: S101  # the first part has begun it
            stored = await self._room.in_thread(partial(multipart.complete, self._etags))
        if stored.size != self._size:
            raise VideoJobError(f"{self._size} bytes were sent to the storage, and {stored.size} are there")
        return Arrived(stored, self._hash.hexdigest())

    async def abort(self) -> None:
        """Leave nothing behind. Also after `finish`. Raises what the storage raises."""
        with suppress(Exception):  # whatever became of the last part, it goes
            await self._sent()
        self._free()
        if (multipart := self._multipart) is not None:
            await self._room.in_thread(multipart.abort)
        await self._room.in_thread(partial(self._store.delete, [self._key]))

    async def _hand_over(self) -> None:
        """Send the part that is full, once the one before is sent."""
        await self._sent()
        part, self._part = self._part, None
        assert part is not None  # noqa: S101
        self._sending = asyncio.create_task(self._send(part, self._filled))

    async def _sent(self) -> None:
        if self._sending is not None:
            await asyncio.shield(self._sending)
            self._sending = None

    async def _send(self, part: bytearray, filled: int) -> None:
        try:
            await self._room.in_thread(partial(self._send_in_thread, part if filled == len(part) else part[:filled]))
        finally:
            self._room.give_back(part, self._share)

    def _send_in_thread(self, part: bytearray) -> None:
        self._hash.update(part)
        if self._multipart is None:
            self._multipart = Multipart.begin(self._store, self._key, self._content_type)
        self._etags.append(self._multipart.send(len(self._etags) + 1, part))

    def _put_small(self) -> StoredObject:
        content = bytes(memoryview(self._part or b"")[: self._filled])
        self._hash.update(content)
        return self._store.put_bytes(self._key, content, self._content_type)

    def _free(self) -> None:
        if self._part is not None:
            self._room.give_back(self._part, self._share)
            self._part = None
