"""The front door: what clients and vendors on the internet can reach. It runs no job itself.

It needs neither Postgres nor Prefect to start, and outlives both: while one is away, it asks to come again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse

from deployments.gateway import asking, callbacks, events, jobs, metrics, readiness, submitting, uploads
from deployments.gateway.backing import Backing
from deployments.gateway.document import publish
from deployments.gateway.front import Front
from deployments.gateway.guard import Guard
from deployments.gateway.leaving import EndsStreams
from deployments.gateway.metrics import Metrics
from deployments.gateway.observed import Observed
from deployments.gateway.pages import add_pages
from deployments.gateway.problems import add_handlers
from deployments.gateway.readiness import Readiness
from deployments.gateway.settings import Door
from videojobs.settings import Access

API = "/api/v1"


def create_app(backing: Backing | None = None) -> FastAPI:
    """The application; `backing` is what it stands on, found through the Prefect server's blocks if not given."""
    door = Door()
    front = Front(door, backing or Backing(door))
    # The documentation pages would load their scripts from elsewhere.
    app = FastAPI(title="Video jobs", lifespan=_life, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.front = front
    app.include_router(callbacks.router)
    app.include_router(_api())
    add_pages(app)
    add_handlers(app)
    app.add_middleware(
        Guard,
        most=door.json_bytes,
        seconds=door.json_seconds,
        streamed=(callbacks.PREFIX, *(API + path for path in submitting.FORM_PATHS)),
        tls=(Access().public_url or "").startswith("https:"),
    )
    _add_operations(app, front)
    publish(app)
    return app


def _api() -> APIRouter:
    api = APIRouter(prefix=API)
    for part in (submitting, asking, jobs, events, uploads):
        api.include_router(part.router)
    return api


def _add_operations(app: FastAPI, front: Front) -> None:
    """What whoever runs the door sees of it, and how it closes. `Observed` comes last, so it is the outermost."""
    app.state.readiness = Readiness(front.backing, front.door)
    app.state.metrics = Metrics(front.door, front.backing.ledger)
    app.state.leaving = asyncio.Event()
    app.get("/healthz", response_class=PlainTextResponse, tags=["operations"])(healthz)
    app.include_router(readiness.router)
    app.include_router(metrics.router)
    app.add_middleware(EndsStreams, leaving=app.state.leaving)
    app.add_middleware(Observed, metrics=app.state.metrics)


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    front: Front = app.state.front
    async with front.open():
        yield


async def healthz() -> str:
    """This process answers. It says nothing about what it stands on."""
    return "up\n"
