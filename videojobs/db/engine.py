"""Engines: one for each database and event loop, shared by all jobs of a process."""

from typing import Final

from sqlalchemy import event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from videojobs.aio.per_loop import PerLoop
from videojobs.settings import TimingSettings

DRIVER = "postgresql+psycopg"

_engines: Final = PerLoop[dict[str, AsyncEngine]](dict)  # by URL; connections belong to the loop that opened them


def driver_url(url: str) -> str:
    """`postgresql://...` (what `DATABASE_URL` usually says) as the URL that names our driver."""
    return make_url(url).set(drivername=DRIVER).render_as_string(hide_password=False)


def get_engine(url: str) -> AsyncEngine:
    """The engine of this URL for the running event loop."""
    engines = _engines.get()
    if url not in engines:
        engine = create_async_engine(
            driver_url(url),
            pool_size=5,  # an operation holds a connection for milliseconds; waiting jobs hold none
            max_overflow=5,
            pool_pre_ping=True,  # Postgres may have been restarted since the last use
            hide_parameters=True,  # request bodies hold presigned links; they must not reach an error text
            connect_args={"connect_timeout": 10, "application_name": "videojobs"},
        )
        event.listen(engine.sync_engine, "connect", _set_idle_timeout)
        engines[url] = engine
    return engines[url]


def _set_idle_timeout(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    """A process that stalls in a transaction keeps the job's row locked no longer than its lease would have lasted."""
    cursor = connection.cursor()
    cursor.execute(f"SET idle_in_transaction_session_timeout = {round(TimingSettings.current().lease_seconds * 1000)}")
    cursor.close()
    connection.commit()  # else the pool's first rollback undoes it


async def close_engines() -> None:
    """Close all connections of the running event loop, before it ends."""
    for engine in (_engines.pop() or {}).values():
        await engine.dispose()
