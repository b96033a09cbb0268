"""Each request is counted and logged, by its route: an address as it came may hold a token or a signature."""

import logging
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.gateway import scope as scopes
from deployments.gateway.metrics import Metrics

_OFTEN: Final = frozenset({"/healthz", "/readyz", "/metrics"})  # asked every few seconds: their lines hide all others
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = logging.getLogger("deployments.gateway.requests")


class Observed:
    """ASGI middleware, the outermost one of ours."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = _Seen()
        began = time.perf_counter()
        scopes.enter(scope)
        try:
            with self._metrics.in_progress.track_inprogress():
                await self._app(scope, seen.reading(receive), seen.sending(send))
        except Exception:
            seen.broke()
            raise
        finally:
            self._tell(scope, seen, time.perf_counter() - began)

    def _tell(self, scope: Scope, seen: "_Seen", seconds: float) -> None:
        route = scopes.route(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"  # anybody may invent some
        self._metrics.tell(method, route, seen.status, seconds, seen.received)
        fields = {"method": method, "route": route, "status": seen.status, "ms": round(seconds * 1000, 1)}
        level = logging.DEBUG if route in _OFTEN else logging.INFO
        log.log(level, "%s %s %d %.0f ms", method, route, seen.status, seconds * 1000, extra={"fields": fields})


class _Seen:
    """What passed by. `status` stays 499 where the caller has left before there was an answer, as nginx calls it."""

    def __init__(self) -> None:
        self.status = 499
        self.received = 0  # bytes of the body

    def broke(self) -> None:
        """Nobody foresaw the error: what answers it stands before us."""
        self.status = 500

    def reading(self, receive: Receive) -> Receive:
        async def counted() -> Message:
            message = await receive()
            self.received += len(message.get("body", b""))
            return message

        return counted

    def sending(self, send: Send) -> Send:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            await send(message)

        return noted
