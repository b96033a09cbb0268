"""News from other processes: who has heard something about a job rings, and its run, wherever it waits, wakes up.

Postgres carries it (`NOTIFY`), once the transaction that it belongs to is committed. One connection of a process
listens for all its jobs. A ring may get lost with that connection: nothing depends on it, a job that is not woken only
asks a little later.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context
from typing import Final
from weakref import WeakKeyDictionary

import psycopg
from sqlalchemy import func, make_url, select
from sqlalchemy.ext.asyncio import AsyncSession

CHANNEL: Final = "videojobs"
_AGAIN_SECONDS: Final = 2.0  # between two attempts to listen
_CONNECT_SECONDS: Final = 10

Woken = Callable[[], None]


async def ring(session: AsyncSession, job_id: str) -> None:
    """Wake the job's run when this transaction is committed."""
    await session.execute(select(func.pg_notify(CHANNEL, job_id)))


class Bell:
    """Listens as long as somebody wants to hear. Belongs to one event loop."""

    def __init__(self, address: str) -> None:
        url = make_url(address).set(drivername="postgresql")
        self._url = url.render_as_string(hide_password=False)
        self._hearers: dict[str, set[Woken]] = {}
        self._listening: asyncio.Task[None] | None = None
        self.is_listening = False

    @contextmanager
    def heard_by(self, job_id: str, woken: Woken) -> Iterator[None]:
        """Call `woken` whenever somebody rings for the job, as long as the context lasts."""
        self._hearers.setdefault(job_id, set()).add(woken)
        if self._listening is None:
            self._listening = asyncio.get_running_loop().create_task(self._listen(), context=Context())
        try:
            yield
        finally:
            self._hearers[job_id].discard(woken)
            if not self._hearers[job_id]:
                del self._hearers[job_id]
            if not self._hearers and self._listening is not None:
                self._listening.cancel()
                self._listening, self.is_listening = None, False

    async def _listen(self) -> None:
        while True:
            with suppress(psycopg.Error):
                await self._hear()
            self.is_listening = False
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _hear(self) -> None:
        connecting = psycopg.AsyncConnection.connect(
            self._url, autocommit=True, connect_timeout=_CONNECT_SECONDS, application_name="videojobs bell"
        )
        async with await connecting as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self.is_listening = True
            self._wake_all()  # what was rung while nobody listened
            async for note in connection.notifies():
                for woken in list(self._hearers.get(note.payload, ())):
                    woken()

    def _wake_all(self) -> None:
        for hearers in list(self._hearers.values()):
            for woken in list(hearers):
                woken()


_bells: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, Bell]] = WeakKeyDictionary()


def bell_of(address: str) -> Bell:
    """The one of this database (a SQLAlchemy URL) and of the running event loop."""
    return _bells.setdefault(asyncio.get_running_loop(), {}).setdefault(address, Bell(address))
