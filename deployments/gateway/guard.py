"""What holds for every request and every answer: a body may be so large and take so long, and headers are safe."""

import asyncio
import math
import time
from contextlib import suppress
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.gateway.problems import SECURITY_HEADERS, Refused

_REST_BYTES: Final = 1024 * 1024  # what a refused client may still send; more is cut off
_REST_SECONDS: Final = 1.0  # as long as it takes at 8 Mbit/s
_ONLY_TLS: Final = "max-age=31536000"  # seconds, a year: what browsers' own lists ask for


class Guard:
    """ASGI middleware. Bodies have `most` bytes, and `seconds` to come.

    `streamed` are the beginnings of paths that see to both themselves.
    """

    def __init__(self, app: ASGIApp, *, most: int, seconds: float, streamed: tuple[str, ...], tls: bool) -> None:
        self._app = app
        self._most = most
        self._seconds = seconds
        self._streamed = streamed
        self._headers = {**SECURITY_HEADERS, **({"Strict-Transport-Security": _ONLY_TLS} if tls else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = self._body(scope, receive)

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                await body.drop_rest()
                if not body.is_read:
                    headers["Connection"] = "close"
            await send(message)

        await self._app(scope, body.receive, guarded)

    def _body(self, scope: Scope, receive: Receive) -> "_Body":
        if scope["path"].startswith(self._streamed):
            return _Body(receive, Headers(scope=scope), most=math.inf, seconds=math.inf)
        return _Body(receive, Headers(scope=scope), most=self._most, seconds=self._seconds)


class _Body:
    """Counts what comes. One that is answered before its end would be read for ever, if its client so wishes."""

    def __init__(self, receive: Receive, headers: Headers, *, most: float, seconds: float) -> None:
        self._receive = receive
        self._most = most
        self._until = time.monotonic() + seconds
        self._size = 0
        length = math.inf if "transfer-encoding" in headers else int(headers.get("content-length", "0"))
        self._is_little = length <= _REST_BYTES and "expect" not in headers
        self.is_read = length == 0

    async def receive(self) -> Message:
        message = await (self._receive() if self.is_read else self._in_time())
        self._size += len(message.get("body", b""))
        self.is_read = self.is_read or not message.get("more_body", False)
        if self._size > self._most:
            raise Refused(413, f"The body is too large; {self._most} bytes are taken here.")
        return message

    async def _in_time(self) -> Message:
        """Once the body is read, what is waited for is the client's leaving, however long that takes."""
        left = self._until - time.monotonic()
        try:
            async with asyncio.timeout(left if math.isfinite(left) else None):
                return await self._receive()
        except TimeoutError as error:
            raise Refused(408, "The body came too slowly.") from error

    async def drop_rest(self) -> None:
        """Of a body that is answered before its end: let the rest come, if it is known to be little and comes at once.

        A client that still sends would find the connection closed, and perhaps never see the answer.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_REST_SECONDS):
                while self._is_little and not self.is_read:
                    message = await self._receive()
                    self.is_read = not message.get("more_body", False)
