"""Keeps the leases of a process alive: all of them with one statement, however many jobs it is at work on."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context
from typing import Final
from weakref import WeakKeyDictionary

from videojobs.errors import LedgerUnavailable
from videojobs.ledger.books import Lease
from videojobs.ledger.lifecycle import Lifecycle

_AT_ONCE: Final = 1000  # leases in one statement


class Pulse:
    """Beats as long as there is a lease to keep. Belongs to one event loop.

    A lease that is lost is not its business: every verb of the ledger says so to whoever held it.
    """

    def __init__(self, ledger: Lifecycle, seconds: float) -> None:
        self._ledger = ledger
        self._seconds = seconds
        self._held: set[Lease] = set()
        self._beating: asyncio.Task[None] | None = None

    @contextmanager
    def keeping(self, lease: Lease) -> Iterator[None]:
        """Renew the lease three times in its length, as long as the context lasts."""
        self._held.add(lease)
        if self._beating is None:
            self._beating = asyncio.get_running_loop().create_task(self._beat(), context=Context())
        try:
            yield
        finally:
            self._held.discard(lease)
            if not self._held and self._beating is not None:
                self._beating.cancel()
                self._beating = None

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._seconds / 3)
            held = list(self._held)
            for first in range(0, len(held), _AT_ONCE):
                await self._renew(held[first : first + _AT_ONCE])

    async def _renew(self, leases: Sequence[Lease]) -> None:
        with suppress(LedgerUnavailable):
            await self._ledger.renew(leases, self._seconds)


_pulses: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, float], Pulse]] = WeakKeyDictionary()


def pulse_of(ledger: Lifecycle, seconds: float) -> Pulse:
    """That of this database and of the running event loop, for leases of so many seconds."""
    pulses = _pulses.setdefault(asyncio.get_running_loop(), {})
    return pulses.setdefault((ledger.address, seconds), Pulse(ledger, seconds))
