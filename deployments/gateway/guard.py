"""What holds for every request and every answer: no more is read of a body than it may have, and safe headers."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.datastructures import MutableHeaders

from deployments.gateway.problems import SECURITY_HEADERS, Refused

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

_ONLY_TLS: Final = "max-age=31536000"  # seconds, a year: what browsers' own lists ask for


class Guard:
    """ASGI middleware. `streamed` are the paths that count what they read themselves."""

    def __init__(self, app: App, *, most: int, streamed: frozenset[str], tls: bool) -> None:
        self._app = app
        self._most = most
        self._streamed = streamed
        self._headers = {**SECURITY_HEADERS, **({"Strict-Transport-Security": _ONLY_TLS} if tls else {})}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        bounded = receive if scope["path"] in self._streamed else self._bounded(receive)
        await self._app(scope, bounded, self._safe(send))

    def _bounded(self, receive: Receive) -> Receive:
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise Refused(413, f"The body is too large; {self._most} bytes are taken here.")
            return message

        return counted

    def _safe(self, send: Send) -> Send:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        return with_headers
