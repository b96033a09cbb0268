"""Limits connections, and what one may consume before its request is complete.

uvicorn with httptools reads headers of any length for any time, queues any number of pipelined requests, and accepts
connections until the process has no file descriptor left. None of that needs a token.
"""

import asyncio
import json
import logging
import resource
import time
from collections import Counter
from http import HTTPStatus
from typing import Any, Final

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from deployments.api.errors import PROBLEM_MEDIA_TYPE, SECURITY_HEADERS, problem_body
from deployments.api.settings import ApiSettings

_MAX_URL_BYTES: Final = 16 * 1024  # a cursor and a file name take less than 1 KB; browsers and proxies allow 8 to 64 KB
_MAX_PIPELINED_REQUESTS: Final = 8  # behind the current one; no current browser or HTTP library sends any
_LINGER_SECONDS: Final = 1.0  # in which a rejected client may still send and read the response
_ACCEPT_BACKLOG: Final = 128  # connections accepted in one round of the event loop; as many wait in the kernel
_RESERVED_FILES: Final = 512  # 60 of our own (Postgres, storage, Prefect), and three rounds of new connections
_LOG_INTERVAL_SECONDS: Final = 60  # between two log lines about the connection limit

log = logging.getLogger(__name__)


class ConnectionLimiter:
    """Tracks open connections: `max_connections` in all, `max_per_address` of one client address.

    At the limit, a new connection replaces the one that has been idle longest: its client has no open request.
    """

    def __init__(self, max_connections: int, max_per_address: int | None) -> None:
        self._max_connections = max_connections
        self._max_per_address = max_per_address
        self._address_by_connection: dict[Connection, str] = {}
        self._count_by_address: Counter[str] = Counter()
        self._idle: dict[Connection, None] = {}  # longest idle first
        self._logged_at = -float(_LOG_INTERVAL_SECONDS)

    def admit(self, connection: "Connection", address: str) -> HTTPStatus | None:
        """Register a connection, or return the status with which to reject it."""
        if self._max_per_address is not None and self._count_by_address[address] >= self._max_per_address:
            return HTTPStatus.TOO_MANY_REQUESTS
        if len(self._address_by_connection) >= self._max_connections:
            self._log_full()
            if not self._idle:
                return HTTPStatus.SERVICE_UNAVAILABLE
            longest_idle = next(iter(self._idle))
            self.remove(longest_idle)
            longest_idle.transport.abort()
        self._address_by_connection[connection] = address
        self._count_by_address[address] += 1
        self.mark_idle(connection)
        return None

    def remove(self, connection: "Connection") -> None:
        """Forget a closed connection; may be called twice."""
        self._idle.pop(connection, None)
        if (address := self._address_by_connection.pop(connection, None)) is not None:
            self._count_by_address[address] -= 1
            if not self._count_by_address[address]:
                del self._count_by_address[address]

    def mark_idle(self, connection: "Connection") -> None:
        """It has no open request."""
        if connection in self._address_by_connection:
            self._idle[connection] = None

    def mark_busy(self, connection: "Connection") -> None:
        """It has an open request."""
        self._idle.pop(connection, None)

    def _log_full(self) -> None:
        if (now := time.monotonic()) - self._logged_at >= _LOG_INTERVAL_SECONDS:
            self._logged_at = now
            log.warning(
                "Limit of %d connections reached: idle connections are closed for new ones", self._max_connections
            )


class ServerConfig(uvicorn.Config):
    """uvicorn with `Connection`, and as many connections as the process has file descriptors for."""

    def __init__(self, app: FastAPI, settings: ApiSettings, **more: Any) -> None:
        super().__init__(app, http=Connection, ws="none", backlog=_ACCEPT_BACKLOG, **more)
        self.settings = settings
        self.limiter = ConnectionLimiter(
            _fit_to_open_files(settings.max_connections), settings.max_connections_per_address
        )


def _fit_to_open_files(requested: int) -> int:
    """`requested`, or fewer if file descriptors are missing. Raises the soft limit as far as allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = requested + _RESERVED_FILES
    if soft == resource.RLIM_INFINITY:
        return requested
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft >= needed:
        return requested
    possible = max(soft - _RESERVED_FILES, soft // 4)
    log.warning("Limit of %d connections instead of %d: this process may open only %d files", possible, requested, soft)
    return possible


class Connection(HttpToolsProtocol):
    """A client's connection. Headers are limited in bytes, lines and time; responses have to be read in time.

    Trailers of a chunked body count as headers. They are dropped: no endpoint reads them.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(config, ServerConfig)  # noqa: S101  # which creates the connections
        self._settings, self._limiter = config.settings, config.limiter
        self._header_lines = self._header_bytes = 0  # of this request's headers, and of the trailers behind its body
        self._unparsed_bytes = 0  # received since the last complete element: the parser may keep all of them
        self._is_in_head = False
        self._discards_input = False  # further input is dropped
        self._error_status: HTTPStatus | None = None  # why the parser was stopped
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    # ---- life cycle --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        error_status = self._limiter.admit(self, self.client[0] if self.client else "unknown")
        if error_status is None:
            self._start_head_timer()
        else:
            self._discards_input = True
            self._write_error(error_status)
            transport.close()

    def data_received(self, data: bytes) -> None:
        if self._discards_input:
            return
        self._unparsed_bytes += len(data)
        super().data_received(data)
        if self._discards_input:
            return
        if self._unparsed_bytes > self._settings.max_header_bytes:
            self._reject(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._head_timer is None and self._is_idle:
            self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._discards_input = True
        self._limiter.remove(self)
        self._stop_head_timer()
        self._stop_write_timer()

    def _unsupported_upgrade_warning(self) -> None:
        """Requests for WebSocket or HTTP/2 get a normal HTTP/1.1 response, as HTTP allows, and no log line.

        The parser does not treat what follows such a request as its body, so it is not read at all.
        """
        self._discards_input = True
        self.cycle.keep_alive = False

    # ---- parser callbacks --------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_lines = self._header_bytes = self._unparsed_bytes = 0
        self._is_in_head = True

    def on_url(self, url: bytes) -> None:
        self._unparsed_bytes = 0
        super().on_url(url)
        if len(self.url) > _MAX_URL_BYTES:
            self._abort_parsing(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._unparsed_bytes = 0
        self._header_lines += 1
        self._header_bytes += len(name) + len(value) + 4  # colon, space, CRLF
        if self._header_lines > self._settings.max_header_lines or self._header_bytes > self._settings.max_header_bytes:
            self._abort_parsing(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unparsed_bytes = 0
        self._is_in_head = False
        if len(self.pipeline) >= _MAX_PIPELINED_REQUESTS:
            self._abort_parsing(HTTPStatus.TOO_MANY_REQUESTS)
        self._stop_head_timer()
        self._limiter.mark_busy(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed_bytes = 0
        super().on_message_complete()

    # ---- time-outs ---------------------------------------------------------------------------------------

    @property
    def _is_idle(self) -> bool:
        """No request is open; part of the next one may have arrived."""
        return self.cycle is None or self.cycle.response_complete

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self._settings.header_timeout_seconds, self._on_head_timeout)

    def _on_head_timeout(self) -> None:
        if self._is_in_head or self._unparsed_bytes:
            self._reject(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._start_write_timer()
        elif self._is_idle:
            self._limiter.mark_idle(self)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._start_write_timer()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_write_timer()

    def _start_write_timer(self) -> None:
        """A client that does not read its response would hold the connection for ever: closing waits for it, too."""
        if self._write_timer is None and self.transport.get_write_buffer_size():
            self._write_timer = self.loop.call_later(self._settings.write_timeout_seconds, self.transport.abort)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    # ---- rejections --------------------------------------------------------------------------------------

    def _abort_parsing(self, status: HTTPStatus) -> None:
        """In a parser callback: stops the parser, which then calls `send_400_response`."""
        self._error_status = status
        raise ValueError(status.phrase)

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this for whatever its parser rejects."""
        self._reject(self._error_status or HTTPStatus.BAD_REQUEST)

    def _reject(self, status: HTTPStatus) -> None:
        """Read nothing more. An open request gets its response first, unless the error is its own."""
        self._discards_input = True
        self._stop_head_timer()
        if self._is_idle:
            self._send_error(status)
        elif not self.cycle.more_body:
            self.cycle.keep_alive = False
        elif self.pipeline or self.cycle.response_started:
            self.transport.abort()
        else:
            self.cycle.disconnected = True  # what the application sees
            self.cycle.message_event.set()
            self._send_error(status)

    def _send_error(self, status: HTTPStatus) -> None:
        """Close after a pause: closing at once while the client still sends would often lose the response."""
        self._limiter.mark_idle(self)
        self._write_error(status)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._stop_write_timer()
        self._write_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _write_error(self, status: HTTPStatus) -> None:
        content = json.dumps(problem_body(status, _ERROR_DETAILS[status])).encode()
        headers = {**SECURITY_HEADERS, "Content-Type": PROBLEM_MEDIA_TYPE, "Content-Length": len(content)}
        if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
            headers["Retry-After"] = 10  # seconds: half of `header_timeout_seconds`
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[status] + lines.encode() + b"Connection: close\r\n\r\n" + content)


_ERROR_DETAILS: Final = {
    HTTPStatus.BAD_REQUEST: "This is not an HTTP request.",
    HTTPStatus.REQUEST_TIMEOUT: "The headers arrived too slowly.",
    HTTPStatus.REQUEST_URI_TOO_LONG: f"The address is too long; the limit is {_MAX_URL_BYTES} bytes.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The request has too many header lines, or they are too long.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many connections from one address.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Too many connections; retry soon.",
}
