"""Streams files from clients to the storage, with little of them in memory.

One part is sent while the next one fills. All uploads share a pool of buffers (`UploadPool`). An upload that finds none
free is not read until one is, so that TCP slows the client down.
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
from videojobs.errors import VideoJobError
from videojobs.storage.multipart_upload import MIN_PART_BYTES, MultipartUpload
from videojobs.storage.object_store import ObjectStore, StoredObject

T = TypeVar("T")

_CONCURRENT_TURNS: Final = 1  # chunks of 256 KB that are parsed in one round of the event loop: 2 ms
_TURN_PAUSE_SECONDS: Final = 0.004  # between two chunks of concurrent uploads: time for status requests
_MAX_THREADS: Final = 8  # boto3 keeps 10 connections open; more threads would not make the network faster
_NICENESS: Final = 5  # a third of the processor time of normal threads under load
_RETRY_AFTER: Final = {"Retry-After": "10"}  # seconds; an upload takes about as long


class UploadPool:
    """What all uploads of a process share: admission, buffers, threads, and time on the event loop."""

    def __init__(self, *, max_uploads: int, max_buffers: int) -> None:
        self._max_uploads = max_uploads
        self._active_uploads: Counter[str] = Counter()  # by user
        self._buffer_slots = asyncio.Semaphore(max_buffers)
        self._buffers_per_user = max(1, max_buffers // 2)
        self._user_buffer_slots: dict[str, asyncio.Semaphore] = {}  # by user, for users with uploads
        self._free_buffers: list[bytearray] = []
        self._turn_slots = asyncio.Semaphore(_CONCURRENT_TURNS)
        self._executor = ThreadPoolExecutor(_MAX_THREADS, thread_name_prefix="upload", initializer=_lower_priority)

    @contextmanager
    def admit(self, user_id: str) -> Iterator[None]:
        """Admit one upload. Raises ApiError: 503 if the pool is full, 429 if half of it belongs to this user."""
        if self.is_full:
            raise ApiError(503, "Too many concurrent uploads; retry soon.", headers=_RETRY_AFTER)
        if self._active_uploads[user_id] >= max(1, self._max_uploads // 2):
            raise ApiError(429, "Too many concurrent uploads of your own; retry soon.", headers=_RETRY_AFTER)
        self._active_uploads[user_id] += 1
        try:
            yield
        finally:
            self._active_uploads[user_id] -= 1
            self._active_uploads += Counter()  # drops zero counts
            if user_id not in self._active_uploads:
                self._user_buffer_slots.pop(user_id, None)
            if self.is_empty:
                self._free_buffers.clear()

    @property
    def is_full(self) -> bool:
        """Whether the next upload is refused."""
        return self._active_uploads.total() >= self._max_uploads

    @property
    def is_empty(self) -> bool:
        """Whether there is no upload."""
        return not self._active_uploads.total()

    async def yield_turn(self) -> None:
        """Wait before parsing a chunk: fifty at once would otherwise block all other requests for a second."""
        is_crowded = self._turn_slots.locked()
        await self._turn_slots.acquire()
        asyncio.get_running_loop().call_later(_TURN_PAUSE_SECONDS if is_crowded else 0, self._turn_slots.release)

    def user_buffer_slots(self, user_id: str) -> asyncio.Semaphore:
        """Half of all buffers, so that a user with many slow uploads does not block others."""
        return self._user_buffer_slots.setdefault(user_id, asyncio.Semaphore(self._buffers_per_user))

    async def acquire_buffer(self, user_slots: asyncio.Semaphore) -> bytearray:
        """Wait for a free buffer. Return it with `release_buffer`: allocating one costs more than filling it."""
        await user_slots.acquire()
        try:
            await self._buffer_slots.acquire()
        except BaseException:
            user_slots.release()
            raise
        return self._free_buffers.pop() if self._free_buffers else bytearray(MIN_PART_BYTES)

    def release_buffer(self, buffer: bytearray, user_slots: asyncio.Semaphore) -> None:
        """Return a buffer that is sent or no longer needed."""
        self._free_buffers.append(buffer)
        self._buffer_slots.release()
        user_slots.release()

    async def run_in_thread(self, work: Callable[[], T]) -> T:
        """Run to the end even if cancelled: an object stored late would survive its deletion."""
        future = asyncio.get_running_loop().run_in_executor(self._executor, work)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait({future})
            raise

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)


def _lower_priority() -> None:
    """Let the event loop run first: no client waits for hashing."""
    if sys.platform == "linux":  # only Linux has a niceness per thread
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """A completely stored file."""

    stored: StoredObject
    sha256: str


class StreamingUpload:
    """One file. Call `finish` or `abort` in the end."""

    def __init__(self, pool: UploadPool, user_id: str, store: ObjectStore, key: str, content_type: str) -> None:
        self._pool = pool
        self._user_slots = pool.user_buffer_slots(user_id)
        self._store = store
        self._key = key
        self._content_type = content_type
        self._buffer: bytearray | None = None  # being filled
        self._buffer_size = 0  # bytes in it
        self._send_task: asyncio.Task[None] | None = None  # for the previous part
        self._multipart: MultipartUpload | None = None
        self._etags: list[str] = []
        self._hash = hashlib.sha256()
        self._size = 0

    async def write(self, content: bytes) -> None:
        """Add a chunk of some 64 KB; waits while no buffer is free."""
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
        """Store the rest. Raises VideoJobError if the stored size differs."""
        if self._multipart is None and self._send_task is None:
            stored = await self._pool.run_in_thread(self._put_whole)
            self._release_part()
        else:
            if self._buffer is not None:
                await self._flush_part()
            await self._wait_until_sent()
            multipart = self._multipart
            assert multipart is not None  # noqa: S101  # the first part has created it
            stored = await self._pool.run_in_thread(partial(multipart.complete, self._etags))
        if stored.size != self._size:
            raise VideoJobError(f"{self._size} bytes were sent to the storage, but {stored.size} are stored")
        return StoredUpload(stored, self._hash.hexdigest())

    async def abort(self) -> None:
        """Delete everything, also after `finish`. Raises the storage's errors."""
        with suppress(Exception):  # the last part is deleted, whatever became of it
            await self._wait_until_sent()
        self._release_part()
        if (multipart := self._multipart) is not None:
            await self._pool.run_in_thread(multipart.abort)
        await self._pool.run_in_thread(partial(self._store.delete, [self._key]))

    async def _flush_part(self) -> None:
        """Send the buffer as a part, after the previous one."""
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
