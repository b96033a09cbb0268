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
_RETRY_SECONDS: Final = 2.0  # between two attempts to listen
_CONNECT_TIMEOUT_SECONDS: Final = 10

WakeCallback = Callable[[], None]


async def notify(session: AsyncSession, job_id: str) -> None:
    """Wake the job's run when this transaction is committed."""
    await session.execute(select(func.pg_notify(CHANNEL, job_id)))


class JobNotifications:
    """Listens as long as somebody wants to hear. Belongs to one event loop."""

    def __init__(self, database_url: str) -> None:
        url = make_url(database_url).set(drivername="postgresql")
        self._url = url.render_as_string(hide_password=False)
        self._subscribers: dict[str, set[WakeCallback]] = {}
        self._listen_task: asyncio.Task[None] | None = None
        self.is_listening = False

    @contextmanager
    def subscribe(self, job_id: str, callback: WakeCallback) -> Iterator[None]:
        """Call `woken` whenever somebody rings for the job, as long as the context lasts."""
        self._subscribers.setdefault(job_id, set()).add(callback)
        if self._listen_task is None:
            self._listen_task = asyncio.get_running_loop().create_task(self._listen(), context=Context())
        try:
            yield
        finally:
            self._subscribers[job_id].discard(callback)
            if not self._subscribers[job_id]:
                del self._subscribers[job_id]
            if not self._subscribers and self._listen_task is not None:
                self._listen_task.cancel()
                self._listen_task, self.is_listening = None, False

    async def _listen(self) -> None:
        while True:
            with suppress(psycopg.Error):
                await self._receive()
            self.is_listening = False
            await asyncio.sleep(_RETRY_SECONDS)

    async def _receive(self) -> None:
        connect = psycopg.AsyncConnection.connect(
            self._url,
            autocommit=True,
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            application_name="videojobs notifications",
        )
        async with await connect as connection:
            await connection.execute(f"LISTEN {CHANNEL}")
            self.is_listening = True
            self._notify_all()  # what was rung while nobody listened
            async for notification in connection.notifies():
                for callback in list(self._subscribers.get(notification.payload, ())):
                    callback()

    def _notify_all(self) -> None:
        for callbacks in list(self._subscribers.values()):
            for callback in list(callbacks):
                callback()


_instances: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, JobNotifications]] = WeakKeyDictionary()


def notifications_for(database_url: str) -> JobNotifications:
    """The one of this database (a SQLAlchemy URL) and of the running event loop."""
    return _instances.setdefault(asyncio.get_running_loop(), {}).setdefault(
        database_url, JobNotifications(database_url)
    )
