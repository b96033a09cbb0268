"""Counts and logs each request by its route: the address itself may hold a token or a signature."""

import logging
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.api.metrics import Metrics
from deployments.api.middleware import request_context

_PROBE_ROUTES: Final = frozenset({"/healthz", "/readyz", "/metrics"})  # called every few seconds: logged as DEBUG
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = logging.getLogger("deployments.api.requests")


class RequestLoggingMiddleware:
    """ASGI middleware, our outermost one."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange()
        started_at = time.perf_counter()
        request_context.bind_request(scope)
        try:
            with self._metrics.in_progress.track_inprogress():
                await self._app(scope, exchange.wrap_receive(receive), exchange.wrap_send(send))
        except Exception:
            exchange.mark_failed()
            raise
        finally:
            self._record(scope, exchange, time.perf_counter() - started_at)

    def _record(self, scope: Scope, exchange: "_Exchange", seconds: float) -> None:
        route = request_context.route_template(scope)
        method = scope["method"] if scope["method"] in _METHODS else "other"  # clients may send anything
        self._metrics.record_request(method, route, exchange.status, seconds, exchange.received_bytes)
        fields = {"method": method, "route": route, "status": exchange.status, "ms": round(seconds * 1000, 1)}
        level = logging.DEBUG if route in _PROBE_ROUTES else logging.INFO
        log.log(level, "%s %s %d %.0f ms", method, route, exchange.status, seconds * 1000, extra={"fields": fields})


class _Exchange:
    """What was received and sent. `status` stays 499, nginx's code for a client that left before the response."""

    def __init__(self) -> None:
        self.status = 499
        self.received_bytes = 0  # bytes of the body

    def mark_failed(self) -> None:
        """Unhandled exception; the outer middleware sends the 500."""
        self.status = 500

    def wrap_receive(self, receive: Receive) -> Receive:
        async def receive_counted() -> Message:
            message = await receive()
            self.received_bytes += len(message.get("body", b""))
            return message

        return receive_counted

    def wrap_send(self, send: Send) -> Send:
        async def send_recorded(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
            await send(message)

        return send_recorded
