"""Graceful shutdown: no new connections, open requests finish within a time limit, event streams end at once."""

import asyncio
import socket

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class GracefulServer(uvicorn.Server):
    """Sets `shutting_down` before it waits for open requests."""

    def __init__(self, config: uvicorn.Config, shutting_down: asyncio.Event) -> None:
        super().__init__(config)
        self._shutting_down = shutting_down

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._shutting_down.set()
        await super().shutdown(sockets)


class StreamShutdownMiddleware:
    """ASGI middleware that ends event streams on shutdown; otherwise they last as long as their job.

    Clients reconnect by themselves, to another process or to this one after its restart.
    """

    def __init__(self, app: ASGIApp, *, shutting_down: asyncio.Event) -> None:
        self._app = app
        self._shutting_down = shutting_down

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _StreamRequest(self._shutting_down, send)
        try:
            await self._app(scope, receive, request.send)
        except asyncio.CancelledError:
            if not request.suppress_cancel():
                raise
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            request.close()


class _StreamRequest:
    """A request that is cancelled on shutdown if its response is an event stream."""

    def __init__(self, shutting_down: asyncio.Event, send: Send) -> None:
        self._shutting_down = shutting_down
        self._send = send
        self._task = asyncio.current_task()
        self._cancel_task: asyncio.Task[None] | None = None
        self._was_cancelled = False

    async def send(self, message: Message) -> None:
        await self._send(message)
        headers = message.get("headers", ())
        if any(name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers):
            self._cancel_task = asyncio.create_task(self._cancel_on_shutdown())

    async def _cancel_on_shutdown(self) -> None:
        await self._shutting_down.wait()
        if self._task is not None:
            self._was_cancelled = True
            self._task.cancel()

    def suppress_cancel(self) -> bool:
        """Revoke our own cancellation, so that the request ends normally. Returns whether it was ours."""
        if self._was_cancelled and self._task is not None:
            self._task.uncancel()
        return self._was_cancelled

    def close(self) -> None:
        if self._cancel_task is not None:
            self._cancel_task.cancel()
