"""What holds for every request and every answer: no more is read of a body than it may have, and safe headers."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.datastructures import Headers, MutableHeaders

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
        body = _Body(receive, None if scope["path"] in self._streamed else self._most, Headers(scope=scope))

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if not body.is_read:
                    headers["Connection"] = "close"
            await send(message)

        await self._app(scope, body.receive, guarded)


class _Body:
    """Counts what comes. One that is answered before its end would be read for ever, if its client so wishes."""

    def __init__(self, receive: Receive, most: int | None, headers: Headers) -> None:
        self._receive = receive
        self._most = most
        self._size = 0
        self.is_read = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers

    async def receive(self) -> Message:
        message = await self._receive()
        self._size += len(message.get("body", b""))
        self.is_read = self.is_read or not message.get("more_body", False)
        if self._most is not None and self._size > self._most:
            raise Refused(413, f"The body is too large; {self._most} bytes are taken here.")
        return message
