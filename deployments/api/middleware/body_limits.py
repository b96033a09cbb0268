"""Limits the size and the duration of every request body, and adds security headers to every response."""

import asyncio
import math
import time
from contextlib import suppress
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.api.errors import SECURITY_HEADERS, ApiError

_MAX_DRAIN_BYTES: Final = 1024 * 1024  # that a rejected client may still send before the connection is closed
_DRAIN_SECONDS: Final = 1.0  # a megabyte at 8 Mbit/s
_HSTS_VALUE: Final = "max-age=31536000"  # seconds, a year: what browsers' preload lists require


class BodyLimitMiddleware:
    """ASGI middleware. A body may have `max_bytes` and take `timeout_seconds`.

    Paths that start with one of `streaming_paths` enforce limits of their own.
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
    """Counts bytes. After an early response, a client could otherwise keep sending for ever."""

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
            raise ApiError(413, f"The body is too large; the limit is {self._max_bytes} bytes.")
        return message

    async def _receive_in_time(self) -> Message:
        """Not used once the body is complete: `receive` then waits for the client to disconnect."""
        seconds_left = self._deadline - time.monotonic()
        try:
            async with asyncio.timeout(seconds_left if math.isfinite(seconds_left) else None):
                return await self._receive()
        except TimeoutError as error:
            raise ApiError(408, "The body arrived too slowly.") from error

    async def drain(self) -> None:
        """After an early response, receive the rest of the body if it is small and arrives soon.

        A client that is still sending would otherwise find the connection closed, and might never see the response.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                while self._is_drainable and not self.is_read:
                    message = await self._receive()
                    self.is_read = not message.get("more_body", False)
