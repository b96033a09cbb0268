"""Keeps the leases of a process alive: all of them with one statement, however many jobs it is at work on."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context
from typing import Final
from weakref import WeakKeyDictionary

from videojobs.db.jobs import JobWrites
from videojobs.db.repository_base import Lease
from videojobs.errors import DatabaseUnavailable

_BATCH_SIZE: Final = 1000  # leases in one statement


class LeaseRenewer:
    """Beats as long as there is a lease to keep. Belongs to one event loop.

    A lease that is lost is not its business: every verb of the ledger says so to whoever held it.
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


_renewers: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, float], LeaseRenewer]] = WeakKeyDictionary()


def lease_renewer_for(repository: JobWrites, lease_seconds: float) -> LeaseRenewer:
    """That of this database and of the running event loop, for leases of so many seconds."""
    renewers = _renewers.setdefault(asyncio.get_running_loop(), {})
    return renewers.setdefault((repository.database_url, lease_seconds), LeaseRenewer(repository, lease_seconds))
