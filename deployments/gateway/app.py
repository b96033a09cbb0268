"""The front door: what clients and vendors on the internet can reach. It runs no job itself.

It needs neither Postgres nor Prefect to start, and outlives both: while one is away, it asks to come again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from deployments.gateway import (
    asking,
    callbacks,
    editor_jobs,
    events,
    jobs,
    lectures,
    metrics,
    readiness,
    submitting,
    uploads,
)
from deployments.gateway.backing import Backing
from deployments.gateway.document import publish
from deployments.gateway.front import Front
from deployments.gateway.guard import Guard
from deployments.gateway.leaving import EndsStreams
from deployments.gateway.metrics import Metrics
from deployments.gateway.observed import Observed
from deployments.gateway.pages import add_pages
from deployments.gateway.pages.lecture import LECTURE_FORM
from deployments.gateway.problems import add_handlers
from deployments.gateway.readiness import Readiness
from deployments.gateway.settings import Door
from videojobs.settings import Access

API = "/api/v1"


class _Application(FastAPI):
    """Pages of named origins may read every answer, errors that nobody foresaw included.

    Those are answered outside of all middleware that can be added, so this one is put around the whole. What a browser
    asks beforehand is answered here, too, and neither logged nor counted.
    """

    def build_middleware_stack(self) -> ASGIApp:
        stack = super().build_middleware_stack()
        front: Front = self.state.front
        if not front.door.cors_origins:
            return stack
        return CORSMiddleware(
            stack,
            allow_origins=front.door.cors_origins,
            allow_credentials=True,
            allow_methods=["GET", "POST", "PUT", "DELETE", "OPTIONS"],
            allow_headers=["*"],
        )


def create_app(backing: Backing | None = None) -> FastAPI:
    """The application; `backing` is what it stands on, found through the Prefect server's blocks if not given."""
    door = Door()
    front = Front(door, backing or Backing(door))
    # The documentation pages would load their scripts from elsewhere.
    app = _Application(title="Video jobs", lifespan=_life, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.front = front
    app.include_router(callbacks.router)
    app.include_router(_api())
    add_pages(app)
    add_handlers(app)
    app.add_middleware(
        Guard,
        most=door.json_bytes,
        seconds=door.json_seconds,
        streamed=(
            callbacks.PREFIX,
            LECTURE_FORM,
            *(API + path for path in (*submitting.FORM_PATHS, lectures.FORM_PATH)),
        ),
        tls=(Access().public_url or "").startswith("https:"),
    )
    _add_operations(app, front)
    publish(app)
    return app


def _api() -> APIRouter:
    api = APIRouter(prefix=API)
    for part in (submitting, asking, lectures, jobs, editor_jobs, events, uploads):
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
