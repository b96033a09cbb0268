"""The HTTP API and the pages: what clients and vendors on the internet can reach. It runs no job itself.

It starts without Postgres and Prefect, and returns 503 while one of them is unavailable.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from deployments.api.dependencies import AppState
from deployments.api.errors import add_exception_handlers
from deployments.api.metrics import Metrics
from deployments.api.middleware.body_limits import BodyLimitMiddleware
from deployments.api.middleware.graceful_streams import StreamShutdownMiddleware
from deployments.api.middleware.request_logging import RequestLoggingMiddleware
from deployments.api.openapi import install_openapi, operation_id
from deployments.api.pages import add_pages
from deployments.api.pages.lecture import LECTURE_FORM_PATH
from deployments.api.routes import (
    basic_editor,
    batches,
    callbacks,
    editor_jobs,
    events,
    health,
    job_estimates,
    job_forms,
    job_requests,
    jobs,
    lectures,
    metrics,
    result_links,
    uploads,
    webhooks,
)
from deployments.api.routes.health import ReadinessProbe
from deployments.api.services import Services
from deployments.api.settings import ApiSettings
from videojobs.settings import AccessSettings

API_PREFIX = "/api/v1"


class _ApiApplication(FastAPI):
    """Lets pages of `cors_origins` read every response, including the 500 for an unhandled exception.

    That one is sent outside of all middleware that can be added, so the CORS middleware wraps the whole stack. It also
    answers preflight requests, which are neither logged nor counted.
    """

    def build_middleware_stack(self) -> ASGIApp:
        stack = super().build_middleware_stack()
        state: AppState = self.state.app_state
        if not state.settings.cors_origins:
            return stack
        return CORSMiddleware(
            stack,
            allow_origins=state.settings.cors_origins,
            allow_credentials=True,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
            allow_headers=["*"],
            expose_headers=["Retry-After"],  # scripts may read this header only if it is named
        )


def create_app(services: Services | None = None) -> FastAPI:
    """The application. By default, its services are found through the blocks of the Prefect server."""
    settings = ApiSettings.current()
    state = AppState(settings, services or Services(settings))
    # No documentation pages: they would load scripts from other hosts.
    app = _ApiApplication(
        title="Video jobs",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=operation_id,
    )
    app.state.app_state = state
    app.include_router(callbacks.router)
    app.include_router(_build_api_router())
    app.include_router(result_links.open_router)
    add_pages(app)
    add_exception_handlers(app)
    app.add_middleware(
        BodyLimitMiddleware,
        max_bytes=settings.max_json_bytes,
        timeout_seconds=settings.json_timeout_seconds,
        streaming_paths=(
            callbacks.PREFIX,
            LECTURE_FORM_PATH,
            *(API_PREFIX + path for path in (*job_forms.FORM_PATHS, *basic_editor.FORM_PATHS, lectures.FORM_PATH)),
        ),
        use_hsts=(AccessSettings.current().public_url or "").startswith("https:"),
    )
    _add_operations(app, state)
    install_openapi(app)
    return app


def _build_api_router() -> APIRouter:
    api = APIRouter(prefix=API_PREFIX)
    for route_module in (
        job_forms,
        basic_editor,
        job_requests,
        job_estimates,
        batches,
        lectures,
        jobs,
        editor_jobs,
        events,
        result_links,
        uploads,
        webhooks,
    ):
        api.include_router(route_module.router)
    return api


def _add_operations(app: FastAPI, state: AppState) -> None:
    """Probes, metrics, logs and shutdown. `RequestLoggingMiddleware` is added last, so it is the outermost."""
    app.state.readiness = ReadinessProbe(state.services, state.settings)
    app.state.metrics = Metrics(state.settings, state.services.repository)
    state.webhook_dispatcher.on_outcome = app.state.metrics.record_webhook
    app.state.shutting_down = asyncio.Event()
    app.get("/healthz", response_class=PlainTextResponse, tags=["operations"])(healthz)
    app.include_router(health.router)
    app.include_router(metrics.router)
    app.add_middleware(StreamShutdownMiddleware, shutting_down=app.state.shutting_down)
    app.add_middleware(RequestLoggingMiddleware, metrics=app.state.metrics)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state: AppState = app.state.app_state
    async with state.run_background_tasks():
        yield


async def healthz() -> str:
    """This process responds. `/readyz` checks its dependencies."""
    return "up\n"
