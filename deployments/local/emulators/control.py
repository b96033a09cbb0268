"""The control endpoints under /_emulator/: for tests and operators, never part of a vendor's API.

They need no password, so they accept requests of programs on this machine only, and none of a browser, which sends what
any page tells it to. Such a request has an Origin header, or another host name of this machine (DNS rebinding).
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.local.emulators.emulator import Emulator

LOCAL_NAMES = ["127.0.0.1", "localhost"]
ExceptionHandler = Callable[[Request, Exception], Response]


class NoBrowserMiddleware:
    """ASGI middleware: rejects requests with an Origin header.

    Browsers add it to a page's writes and to its cross-origin reads; programs do not.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = JSONResponse({"problems": ["Requests of web pages are rejected."]}, 403)
        await (app if "origin" in Headers(scope=scope) else self._app)(scope, receive, send)


class ControlApi:
    """Health, records, call counts, settings and faults of one emulator."""

    def __init__(self, emulator: Emulator[Any, Any]) -> None:
        self._emulator = emulator

    def mount(self) -> Mount:
        return Mount(
            "/_emulator",
            routes=[
                Route("/health", self.health),
                Route("/records", self.list_records),
                Route("/calls", self.call_counts),
                Route("/settings", self.read_settings),
                Route("/settings", self.change_settings, methods=["PATCH"]),
                Route("/faults", self.read_faults),
                Route("/faults", self.arm_fault, methods=["POST"]),
                Route("/faults", self.disarm_faults, methods=["DELETE"]),
            ],
            middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=LOCAL_NAMES), Middleware(NoBrowserMiddleware)],
        )

    async def health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def list_records(self, _request: Request) -> Response:
        return JSONResponse(self._emulator.db.dump())

    async def call_counts(self, _request: Request) -> Response:
        return JSONResponse(self._emulator.calls)

    async def read_settings(self, _request: Request) -> Response:
        return JSONResponse(self._emulator.settings.model_dump())

    async def change_settings(self, request: Request) -> Response:
        try:
            self._emulator.update_settings(dict(await request.json()))
        except ValidationError as error:
            return _validation_response(error)
        return await self.read_settings(request)

    async def read_faults(self, _request: Request) -> Response:
        return JSONResponse(self._emulator.faults.armed_faults())

    async def arm_fault(self, request: Request) -> Response:
        try:
            self._emulator.faults.arm(await request.json())
        except ValidationError as error:
            return _validation_response(error)
        return JSONResponse(self._emulator.faults.armed_faults(), 201)

    async def disarm_faults(self, _request: Request) -> Response:
        self._emulator.faults.disarm()
        return Response(status_code=204)


def _validation_response(error: ValidationError) -> Response:
    problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
    return JSONResponse({"problems": problems}, 422)


def create_app(
    emulator: Emulator[Any, Any],
    routes: Sequence[BaseRoute],
    exception_handlers: dict[Any, ExceptionHandler],
) -> Starlette:
    """The vendor's routes and the control endpoints; the emulator starts and stops with the app."""

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        emulator.resume()
        yield
        await emulator.close()

    return Starlette(
        routes=[*routes, ControlApi(emulator).mount()],
        exception_handlers=exception_handlers,
        lifespan=lifespan,
    )
