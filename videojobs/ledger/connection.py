"""Engines: one for each database and event loop, shared by all jobs of a process."""

import asyncio
from weakref import WeakKeyDictionary

from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

DRIVER = "postgresql+psycopg"

# An engine's connections belong to the loop that opened them; a loop that is gone takes its engines along.
_engines: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, AsyncEngine]] = WeakKeyDictionary()


def driver_url(url: str) -> str:
    """`postgresql://...` (what `DATABASE_URL` usually says) as the URL that names our driver."""
    return make_url(url).set(drivername=DRIVER).render_as_string(hide_password=False)


def engine_for(url: str) -> AsyncEngine:
    """The engine of this URL for the running event loop."""
    engines = _engines.setdefault(asyncio.get_running_loop(), {})
    if url not in engines:
        engines[url] = create_async_engine(
            driver_url(url),
            pool_size=5,  # a verb holds a connection for milliseconds; waiting jobs hold none
            max_overflow=5,
            pool_pre_ping=True,  # Postgres may have been restarted since the last verb
            hide_parameters=True,  # request bodies hold presigned links; they must not reach an error text
            connect_args={"connect_timeout": 10, "application_name": "videojobs"},
        )
    return engines[url]


async def close_engines() -> None:
    """Let go of all connections of the running event loop, before it ends."""
    for engine in _engines.pop(asyncio.get_running_loop(), {}).values():
        await engine.dispose()
