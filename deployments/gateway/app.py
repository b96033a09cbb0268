"""The front door: what clients and vendors on the internet can reach. It runs no job itself.

It needs neither Postgres nor Prefect to start, and outlives both: while one is away, it asks to come again.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse
from prefect.exceptions import PrefectException

from deployments.gateway import callbacks, metrics, readiness
from deployments.gateway.backing import Backing
from deployments.gateway.leaving import EndsStreams
from deployments.gateway.metrics import Metrics
from deployments.gateway.observed import Observed
from deployments.gateway.readiness import Readiness
from deployments.gateway.settings import Door
from videojobs.errors import VideoJobError
from videojobs.ledger.connection import close_engines

AWAY = (VideoJobError, PrefectException, httpx.HTTPError, TimeoutError)
"""Postgres or Prefect does not answer, or is not set up yet: nothing that the one who called could mend."""

COME_AGAIN_SECONDS = 60  # a restart takes seconds, a fail-over minutes; GhostCut comes every 30 minutes anyway

log = logging.getLogger(__name__)


def create_app(backing: Backing | None = None) -> FastAPI:
    """The application; `backing` is what it stands on, found through the Prefect server's blocks if not given."""
    # The documentation pages would load their scripts from elsewhere.
    app = FastAPI(title="Video jobs", lifespan=_life, docs_url=None, redoc_url=None, redirect_slashes=False)
    door = Door()
    app.state.backing = backing = backing or Backing(door)
    app.include_router(callbacks.router)
    app.get("/healthz", response_class=PlainTextResponse, tags=["operations"])(healthz)
    _add_operations(app, backing, door)
    for error in AWAY:
        app.add_exception_handler(error, come_again)
    return app


def _add_operations(app: FastAPI, backing: Backing, door: Door) -> None:
    """What whoever runs the door sees of it, and how it closes."""
    app.state.readiness = Readiness(backing, door)
    app.state.metrics = Metrics(door, backing.ledger)
    app.state.leaving = asyncio.Event()
    app.include_router(readiness.router)
    app.include_router(metrics.router)
    app.add_middleware(EndsStreams, leaving=app.state.leaving)
    app.add_middleware(Observed, metrics=app.state.metrics)


@asynccontextmanager
async def _life(_app: FastAPI) -> AsyncIterator[None]:
    yield
    await close_engines()


async def healthz() -> str:
    """This process answers. It says nothing about what it stands on."""
    return "up\n"


async def come_again(_request: Request, error: Exception) -> Response:
    """What went wrong is for our log; the caller learns when to call again."""
    log.warning("Asked to come again: %s: %s", type(error).__name__, error)
    return PlainTextResponse("come again later\n", 503, {"Retry-After": str(COME_AGAIN_SECONDS)})
