"""What holds for every request and every answer: a body may be so large and take so long, and headers are safe."""

import asyncio
import math
import time
from contextlib import suppress
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.api.errors import SECURITY_HEADERS, ApiError

_MAX_DRAIN_BYTES: Final = 1024 * 1024  # what a refused client may still send; more is cut off
_DRAIN_SECONDS: Final = 1.0  # as long as it takes at 8 Mbit/s
_HSTS_VALUE: Final = "max-age=31536000"  # seconds, a year: what browsers' own lists ask for


class BodyLimitMiddleware:
    """ASGI middleware. Bodies have `most` bytes, and `seconds` to come.

    `streamed` are the beginnings of paths that see to both themselves.
    """

    def __init__(
        self, app: ASGIApp, *, max_bytes: int, timeout_seconds: float, streaming_paths: tuple[str, ...], use_hsts: bool
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._streaming_paths = streaming_paths
        self._headers = {**SECURITY_HEADERS, **({"Strict-Transport-Security": _HSTS_VALUE} if use_hsts else {})}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = self._limited_body(scope, receive)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                await body.drain()
                if not body.is_read:
                    headers["Connection"] = "close"
            await send(message)

        await self._app(scope, body.receive, send_with_headers)

    def _limited_body(self, scope: Scope, receive: Receive) -> "_LimitedBody":
        if scope["path"].startswith(self._streaming_paths):
            return _LimitedBody(receive, Headers(scope=scope), max_bytes=math.inf, timeout_seconds=math.inf)
        return _LimitedBody(
            receive, Headers(scope=scope), max_bytes=self._max_bytes, timeout_seconds=self._timeout_seconds
        )


class _LimitedBody:
    """Counts what comes. One that is answered before its end would be read for ever, if its client so wishes."""

    def __init__(self, receive: Receive, headers: Headers, *, max_bytes: float, timeout_seconds: float) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._deadline = time.monotonic() + timeout_seconds
        self._size = 0
        length = math.inf if "transfer-encoding" in headers else int(headers.get("content-length", "0"))
        self._is_drainable = length <= _MAX_DRAIN_BYTES and "expect" not in headers
        self.is_read = length == 0

    async def receive(self) -> Message:
        message = await (self._receive() if self.is_read else self._receive_in_time())
        self._size += len(message.get("body", b""))
        self.is_read = self.is_read or not message.get("more_body", False)
        if self._size > self._max_bytes:
            raise ApiError(413, f"The body is too large; {self._max_bytes} bytes are taken here.")
        return message

    async def _receive_in_time(self) -> Message:
        """Once the body is read, what is waited for is the client's leaving, however long that takes."""
        seconds_left = self._deadline - time.monotonic()
        try:
            async with asyncio.timeout(seconds_left if math.isfinite(seconds_left) else None):
                return await self._receive()
        except TimeoutError as error:
            raise ApiError(408, "The body came too slowly.") from error

    async def drain(self) -> None:
        """Of a body that is answered before its end: let the rest come, if it is known to be little and comes at once.

        A client that still sends would find the connection closed, and perhaps never see the answer.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while self._is_drainable and not self.is_read:
                    message = await self._receive()
                    self.is_read = not message.get("more_body", False)
