"""How the door closes: no new connections, what is under way may end within a bounded time, streams end at once."""

import asyncio
import socket

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Server(uvicorn.Server):
    """Sets `leaving` before it waits for open requests."""

    def __init__(self, config: uvicorn.Config, leaving: asyncio.Event) -> None:
        super().__init__(config)
        self._leaving = leaving

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._leaving.set()
        await super().shutdown(sockets)


class EndsStreams:
    """ASGI middleware: server-sent events, which end with their job only, end in order when the door closes.

    Their readers connect again by themselves, and so come to another process, or to this one when it is back.
    """

    def __init__(self, app: ASGIApp, *, leaving: asyncio.Event) -> None:
        self._app = app
        self._leaving = leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(self._leaving, send)
        try:
            await self._app(scope, receive, request.send)
        except asyncio.CancelledError:
            if not request.took_back():
                raise
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            request.over()


class _Request:
    """One that is cancelled when the door closes, if its answer is a stream of events."""

    def __init__(self, leaving: asyncio.Event, send: Send) -> None:
        self._leaving = leaving
        self._send = send
        self._task = asyncio.current_task()
        self._ending: asyncio.Task[None] | None = None
        self._was_ended = False

    async def send(self, message: Message) -> None:
        await self._send(message)
        headers = message.get("headers", ())
        if any(name.lower() == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers):
            self._ending = asyncio.create_task(self._end())

    async def _end(self) -> None:
        await self._leaving.wait()
        if self._task is not None:
            self._was_ended = True
            self._task.cancel()

    def took_back(self) -> bool:
        """Take the cancellation back, if it was ours: the request goes on to its end."""
        if self._was_ended and self._task is not None:
            self._task.uncancel()
        return self._was_ended

    def over(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
