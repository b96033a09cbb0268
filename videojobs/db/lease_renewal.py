"""Renews all leases of a process with one statement per thousand jobs."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context
from typing import Final

from videojobs.aio.per_loop import PerLoop
from videojobs.db.jobs import JobWrites
from videojobs.db.repository_base import Lease
from videojobs.errors import DatabaseUnavailable

_BATCH_SIZE: Final = 1000  # leases in one statement


class LeaseRenewer:
    """Runs while there are leases to renew. Belongs to one event loop.

    It does not report a lost lease: every write of its former holder raises LeaseLost.
    """

    def __init__(self, repository: JobWrites, lease_seconds: float) -> None:
        self._repository = repository
        self._lease_seconds = lease_seconds
        self._leases: set[Lease] = set()
        self._renew_task: asyncio.Task[None] | None = None

    @contextmanager
    def renewing(self, lease: Lease) -> Iterator[None]:
        """Renew the lease three times in its length, as long as the context lasts."""
        self._leases.add(lease)
        if self._renew_task is None:
            self._renew_task = asyncio.get_running_loop().create_task(self._renew_loop(), context=Context())
        try:
            yield
        finally:
            self._leases.discard(lease)
            if not self._leases and self._renew_task is not None:
                self._renew_task.cancel()
                self._renew_task = None

    async def _renew_loop(self) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            leases = list(self._leases)
            for first in range(0, len(leases), _BATCH_SIZE):
                await self._renew_batch(leases[first : first + _BATCH_SIZE])

    async def _renew_batch(self, leases: Sequence[Lease]) -> None:
        with suppress(DatabaseUnavailable):
            await self._repository.renew_leases(leases, self._lease_seconds)


_renewers: Final = PerLoop[dict[tuple[str, float], LeaseRenewer]](dict)  # by database and length of lease


def lease_renewer_for(repository: JobWrites, lease_seconds: float) -> LeaseRenewer:
    """The renewer of this database, lease length and event loop."""
    key = (repository.database_url, lease_seconds)
    return _renewers.get().setdefault(key, LeaseRenewer(repository, lease_seconds))
