"""Limits how many estimates examine files at the same time."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

from deployments.api.errors import ApiError
from videojobs.media.executors import run_cpu_bound

T = TypeVar("T")

_RETRY_AFTER: Final = {"Retry-After": "10"}  # seconds; most estimates take less


class EstimatePool:
    """One per process. Decoding cannot be interrupted, so it occupies its place after the estimate has given up."""

    def __init__(self, max_estimates: int) -> None:
        self._max_estimates = max_estimates
        self._active: Counter[str] = Counter()  # by user
        self._abandoned: set[asyncio.Future[Any]] = set()  # decoding that outlives its estimate

    @property
    def has_room(self) -> bool:
        """Whether another estimate may examine files."""
        return self._active.total() + len(self._abandoned) < self._max_estimates

    @contextmanager
    def admit(self, user_id: str) -> Iterator[None]:
        """Admit one estimate. Raises ApiError: 503 if the pool is full, 429 if half of it belongs to this user."""
        if self._active[user_id] >= max(1, self._max_estimates // 2):
            raise ApiError(429, "Too many concurrent estimates of your own; retry soon.", headers=_RETRY_AFTER)
        if not self.has_room:
            raise ApiError(503, "Too many concurrent estimates; retry soon.", headers=_RETRY_AFTER)
        self._active[user_id] += 1
        try:
            yield
        finally:
            self._active[user_id] -= 1
            self._active += Counter()  # drops zero counts

    async def run_probe(self, work: Callable[[], T]) -> T:
        """Decode a file. If the caller is cancelled, the pool has one place less until the decoding ends."""
        decoding = asyncio.ensure_future(run_cpu_bound(work))
        try:
            return await asyncio.shield(decoding)
        except asyncio.CancelledError:
            if not decoding.done():
                self._abandoned.add(decoding)
                decoding.add_done_callback(self._forget)
            raise

    def _forget(self, decoding: asyncio.Future[Any]) -> None:
        self._abandoned.discard(decoding)
        if not decoding.cancelled():
            decoding.exception()  # nobody else reads it, and asyncio would log it as lost
