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

from deployments.api.errors import ApiError
from deployments.api.uploads.s3_multipart import MIN_PART_BYTES, MultipartUpload
from videojobs.errors import VideoJobError
from videojobs.storage.object_store import ObjectStore, StoredObject

T = TypeVar("T")

_CONCURRENT_TURNS: Final = 1  # pieces of 256 KB that are looked through in a round of the event loop: 2 ms
_TURN_PAUSE_SECONDS: Final = (
    0.004  # seconds between two pieces where several uploads wait: the time of those who ask for a status
)
_MAX_THREADS: Final = 8  # boto3 keeps 10 connections open; more threads would only wait for the same network
_NICENESS: Final = 5  # a third of the processor time that others get, where there is not enough for all
_RETRY_AFTER: Final = {"Retry-After": "10"}  # seconds; an upload takes about as long


class UploadPool:
    """What all uploads of a process share: places, parts in memory, threads, and the event loop's time."""

    def __init__(self, *, max_uploads: int, max_buffers: int) -> None:
        self._max_uploads = max_uploads
        self._active_uploads: Counter[str] = Counter()  # by user
        self._buffer_slots = asyncio.Semaphore(max_buffers)
        self._buffers_per_user = max(1, max_buffers // 2)
        self._user_buffer_slots: dict[str, asyncio.Semaphore] = {}  # by user, of those who have uploads
        self._free_buffers: list[bytearray] = []
        self._turn_slots = asyncio.Semaphore(_CONCURRENT_TURNS)
        self._executor = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="upload", initializer=_lower_priority)

    @contextmanager
    def admit(self, user_id: str) -> Iterator[None]:
        """For one upload. Raises a refusal where all are taken, or half of them by this user."""
        if self.is_full:
            raise ApiError(503, "Too many uploads at once; come again soon.", headers=_RETRY_AFTER)
        if self._active_uploads[user_id] >= max(1, self._max_uploads // 2):
            raise ApiError(429, "Too many uploads of yours at once; come again soon.", headers=_RETRY_AFTER)
        self._active_uploads[user_id] += 1
        try:
            yield
        finally:
            self._active_uploads[user_id] -= 1
            self._active_uploads += Counter()  # drops those who have none
            if user_id not in self._active_uploads:
                self._user_buffer_slots.pop(user_id, None)
            if self.is_empty:
                self._free_buffers.clear()

    @property
    def is_full(self) -> bool:
        """Whether the next upload is asked to come again."""
        return self._active_uploads.total() >= self._max_uploads

    @property
    def is_empty(self) -> bool:
        """Whether no upload is on its way."""
        return not self._active_uploads.total()

    async def yield_turn(self) -> None:
        """Before a piece is looked through. Fifty that come at once would else keep all others waiting for a second."""
        is_crowded = self._turn_slots.locked()
        await self._turn_slots.acquire()
        asyncio.get_running_loop().call_later(_TURN_PAUSE_SECONDS if is_crowded else 0, self._turn_slots.release)

    def user_buffer_slots(self, user_id: str) -> asyncio.Semaphore:
        """Half of all parts: who sends many files slowly holds up nobody but himself."""
        return self._user_buffer_slots.setdefault(user_id, asyncio.Semaphore(self._buffers_per_user))

    async def acquire_buffer(self, user_slots: asyncio.Semaphore) -> bytearray:
        """Memory for a part, as soon as there is some; `give_back` it: fresh memory costs more than filling it."""
        await user_slots.acquire()
        try:
            await self._buffer_slots.acquire()
        except BaseException:
            user_slots.release()
            raise
        return self._free_buffers.pop() if self._free_buffers else bytearray(MIN_PART_BYTES)

    def release_buffer(self, buffer: bytearray, user_slots: asyncio.Semaphore) -> None:
        """It is sent, or is not wanted."""
        self._free_buffers.append(buffer)
        self._buffer_slots.release()
        user_slots.release()

    async def run_in_thread(self, work: Callable[[], T]) -> T:
        """To its end, also where nobody waits for it any more: what it stores would else come after its removal."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait({future})
            raise

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def _lower_priority() -> None:
    """This thread lets the event loop go first: hashing is nothing that anybody waits for at a screen."""
    if sys.platform == "linux":  # where a thread has a niceness of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """A file that is in the storage as a whole."""

    stored: StoredObject
    sha256: str


class StreamingUpload:
    """One file. Whoever makes it calls `finish`, or `abort`."""

    def __init__(self, pool: UploadPool, user_id: str, store: ObjectStore, key: str, content_type: str) -> None:
        self._pool = pool
        self._user_slots = pool.user_buffer_slots(user_id)
        self._store = store
        self._key = key
        self._content_type = content_type
        self._buffer: bytearray | None = None  # being filled
        self._buffer_size = 0  # bytes of it
        self._send_task: asyncio.Task[None] | None = None  # the part before
        self._multipart: MultipartUpload | None = None
        self._etags: list[str] = []
        self._hash = hashlib.sha256()
        self._size = 0

    async def write(self, content: bytes) -> None:
        """Take a piece, of some 64 KB; waits while there is no room."""
        self._size += len(content)
        rest = memoryview(content)
        while rest:
            if self._buffer is None:
                self._buffer, self._buffer_size = await self._pool.acquire_buffer(self._user_slots), 0
            piece, rest = rest[: MIN_PART_BYTES - self._buffer_size], rest[MIN_PART_BYTES - self._buffer_size :]
            self._buffer[self._buffer_size : self._buffer_size + len(piece)] = piece
            self._buffer_size += len(piece)
            if self._buffer_size == MIN_PART_BYTES:
                await self._flush_part()

    async def finish(self) -> StoredUpload:
        """All pieces have come."""
        if self._multipart is None and self._send_task is None:
            stored = await self._pool.run_in_thread(self._put_whole)
            self._release_part()
        else:
            if self._buffer is not None:
                await self._flush_part()
            await self._wait_until_sent()
            multipart = self._multipart
            assert multipart is not None  # noqa: S101  # the first part has begun it
            stored = await self._pool.run_in_thread(partial(multipart.complete, self._etags))
        if stored.size != self._size:
            raise VideoJobError(f"{self._size} bytes were sent to the storage, and {stored.size} are there")
        return StoredUpload(stored, self._hash.hexdigest())

    async def abort(self) -> None:
        """Leave nothing behind. Also after `finish`. Raises what the storage raises."""
        with suppress(Exception):  # whatever became of the last part, it goes
            await self._wait_until_sent()
        self._release_part()
        if (multipart := self._multipart) is not None:
            await self._pool.run_in_thread(multipart.abort)
        await self._pool.run_in_thread(partial(self._store.delete, [self._key]))

    async def _flush_part(self) -> None:
        """Send the part that is full, once the one before is sent."""
        await self._wait_until_sent()
        part, self._buffer = self._buffer, None
        assert part is not None  # noqa: S101
        self._send_task = asyncio.create_task(self._send_part(part, self._buffer_size))

    async def _wait_until_sent(self) -> None:
        if self._send_task is not None:
            await asyncio.shield(self._send_task)
            self._send_task = None

    async def _send_part(self, part: bytearray, filled: int) -> None:
        try:
            await self._pool.run_in_thread(
                partial(self._send_part_blocking, part if filled == len(part) else part[:filled])
            )
        finally:
            self._pool.release_buffer(part, self._user_slots)

    def _send_part_blocking(self, part: bytearray) -> None:
        self._hash.update(part)
        if self._multipart is None:
            self._multipart = MultipartUpload.create(self._store, self._key, self._content_type)
        self._etags.append(self._multipart.upload_part(len(self._etags) + 1, part))

    def _put_whole(self) -> StoredObject:
        content = bytes(memoryview(self._buffer or b"")[: self._buffer_size])
        self._hash.update(content)
        return self._store.put_bytes(self._key, content, self._content_type)

    def _release_part(self) -> None:
        if self._buffer is not None:
            self._pool.release_buffer(self._buffer, self._user_slots)
            self._buffer = None
