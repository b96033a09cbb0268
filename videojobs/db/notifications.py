"""Wakes waiting runs across processes via Postgres LISTEN/NOTIFY.

A notification is delivered when its transaction commits. One connection per process and database listens for all jobs.
A notification may be lost with that connection: nothing depends on it, the run then only polls a little later.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context
from typing import Final

import psycopg
from sqlalchemy import func, make_url, select
from sqlalchemy.ext.asyncio import AsyncSession

from videojobs.aio.per_loop import PerLoop

CHANNEL: Final = "videojobs"
_RETRY_SECONDS: Final = 2.0  # between two attempts to listen
_CONNECT_TIMEOUT_SECONDS: Final = 10

WakeCallback = Callable[[], None]


async def notify(session: AsyncSession, job_id: str) -> None:
    """Wake the job's run when this transaction is committed."""
    await session.execute(select(func.pg_notify(CHANNEL, job_id)))


class JobNotifications:
    """Listens while there are subscribers. Belongs to one event loop."""

    def __init__(self, database_url: str) -> None:
        url = make_url(database_url).set(drivername="postgresql")
        self._url = url.render_as_string(hide_password=False)
        self._subscribers: dict[str, set[WakeCallback]] = {}
        self._listen_task: asyncio.Task[None] | None = None
        self.is_listening = False

    @contextmanager
    def subscribe(self, job_id: str, callback: WakeCallback) -> Iterator[None]:
        """Call `callback` on each notification for the job, as long as the context lasts."""
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
            self._notify_all()  # notifications may have been missed while not listening
            async for notification in connection.notifies():
                for callback in list(self._subscribers.get(notification.payload, ())):
                    callback()

    def _notify_all(self) -> None:
        for callbacks in list(self._subscribers.values()):
            for callback in list(callbacks):
                callback()


_instances: Final = PerLoop[dict[str, JobNotifications]](dict)  # by database


def notifications_for(database_url: str) -> JobNotifications:
    """The instance of this database (a SQLAlchemy URL) and of the running event loop."""
    return _instances.get().setdefault(database_url, JobNotifications(database_url))
