"""The front door: what clients and vendors on the internet can reach. It runs no job itself.

It needs neither Postgres nor Prefect to start, and outlives both: while one is away, it asks to come again.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse

from deployments.gateway import asking, callbacks, events, jobs, submitting, uploads
from deployments.gateway.backing import Backing
from deployments.gateway.document import publish
from deployments.gateway.front import Front
from deployments.gateway.guard import Guard
from deployments.gateway.pages import add_pages
from deployments.gateway.problems import add_handlers
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
    app.state.backing = front.backing
    app.include_router(callbacks.router)
    app.include_router(_api())
    app.get("/healthz", response_class=PlainTextResponse, tags=["operations"])(healthz)
    add_pages(app)
    add_handlers(app)
    app.add_middleware(
        Guard,
        most=door.json_bytes,
        streamed=frozenset(API + path for path in submitting.FORM_PATHS),
        tls=(Access().public_url or "").startswith("https:"),
    )
    publish(app)
    return app


def _api() -> APIRouter:
    api = APIRouter(prefix=API)
    for part in (submitting, asking, jobs, events, uploads):
        api.include_router(part.router)
    return api


@asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    front: Front = app.state.front
    async with front.open():
        yield


async def healthz() -> str:
    """This process answers. It says nothing about what it stands on."""
    return "up\n"
