"""Below the application: how many connections there are, and what one may take without a request that is complete.

uvicorn with httptools reads a head of any length for any time, queues any number of requests that come before their
turn, and takes connections until the process has no file left for them. None of that needs a token.
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

from deployments.api.errors import PROBLEM_MEDIA_TYPE, SECURITY_HEADERS
from deployments.api.settings import ApiSettings

_MAX_URL_BYTES: Final = (
    16 * 1024
)  # a cursor and a file name have less than 1 KB; browsers and proxies end at 8 to 64 KB
_MAX_PIPELINED_REQUESTS: Final = (
    8  # requests behind the one that is answered: no browser and no HTTP library of today sends any
)
_LINGER_SECONDS: Final = 1.0  # in which who is refused still sends, and can read why
_ACCEPT_BACKLOG: Final = 128  # connections in one round of the event loop, and as many wait in the kernel
_RESERVED_FILES: Final = 512  # 60 of our own (Postgres, storage, Prefect), and three rounds of connections on their way
_LOG_INTERVAL_SECONDS: Final = 60  # between two lines of the log about connections that found no room

log = logging.getLogger(__name__)


class ConnectionLimiter:
    """All that are open, `most` of them and of one address `each`.

    Where there is no room, the one that has waited longest for a request is closed: its client has none under way.
    """

    def __init__(self, max_connections: int, max_per_address: int | None) -> None:
        self._max_connections = max_connections
        self._max_per_address = max_per_address
        self._address_by_connection: dict[Connection, str] = {}
        self._count_by_address: Counter[str] = Counter()
        self._idle: dict[Connection, None] = {}  # in the order in which they began to
        self._logged_at = -float(_LOG_INTERVAL_SECONDS)

    def admit(self, connection: "Connection", address: str) -> HTTPStatus | None:
        """A new one. What to answer, where it cannot stay."""
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
        """It is closed. Nothing where that is known."""
        self._idle.pop(connection, None)
        if (address := self._address_by_connection.pop(connection, None)) is not None:
            self._count_by_address[address] -= 1
            if not self._count_by_address[address]:
                del self._count_by_address[address]

    def mark_idle(self, connection: "Connection") -> None:
        """Nothing is under way on it."""
        if connection in self._address_by_connection:
            self._idle[connection] = None

    def mark_busy(self, connection: "Connection") -> None:
        """A request has come in."""
        self._idle.pop(connection, None)

    def _log_full(self) -> None:
        if (now := time.monotonic()) - self._logged_at >= _LOG_INTERVAL_SECONDS:
            self._logged_at = now
            log.warning("All %d connections are taken: those that wait are closed for new ones", self._max_connections)


class ServerConfig(uvicorn.Config):
    """How the front door is served: over `Connection`s, as many as the process has files for."""

    def __init__(self, app: FastAPI, settings: ApiSettings, **more: Any) -> None:
        super().__init__(app, http=Connection, ws="none", backlog=_ACCEPT_BACKLOG, **more)
        self.settings = settings
        self.limiter = ConnectionLimiter(
            _fit_to_open_files(settings.max_connections), settings.max_connections_per_address
        )


def _fit_to_open_files(requested: int) -> int:
    """So many connections, or for how many there can be files. Asks the system for as many as it may give."""
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
    log.warning("%d connections instead of %d: this process may open %d files only", possible, requested, soft)
    return possible


class Connection(HttpToolsProtocol):
    """One of a client: a head has so many bytes and lines and so long to come, and answers have to be read.

    The lines behind a chunked body count as those before it. They are not kept: nobody here reads them.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        assert isinstance(config, ServerConfig)  # noqa: S101  # what makes these
        self._settings, self._limiter = config.settings, config.limiter
        self._header_lines = self._header_bytes = 0  # of this request's head, and of what stands behind its body
        self._unparsed_bytes = 0  # bytes that have come since something was complete: the parser may keep all of them
        self._is_in_head = False
        self._discards_input = False  # whatever still comes is dropped
        self._error_status: HTTPStatus | None = None  # why the parser was stopped
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    # ---- from its beginning to its end -------------------------------------------------------------------

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
        """Who asks for WebSocket or HTTP/2 gets a usual answer, as HTTP allows, and no lines in our log.

        The parser takes nothing behind such a head for its body, so nothing behind it is read at all.
        """
        self._discards_input = True
        self.cycle.keep_alive = False

    # ---- what the parser finds ---------------------------------------------------------------------------

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
        self._header_bytes += len(name) + len(value) + 4  # a colon, a blank, a line's end
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

    # ---- time --------------------------------------------------------------------------------------------

    @property
    def _is_idle(self) -> bool:
        """No request is under way; a part of the next one may have come."""
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
        """A client that does not read its answer would hold the connection for ever: a close waits for it, too."""
        if self._write_timer is None and self.transport.get_write_buffer_size():
            self._write_timer = self.loop.call_later(self._settings.write_timeout_seconds, self.transport.abort)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    # ---- refusals ----------------------------------------------------------------------------------------

    def _abort_parsing(self, status: HTTPStatus) -> None:
        """Within a callback of the parser: it feeds nothing more, and `send_400_response` is called."""
        self._error_status = status
        raise ValueError(status.phrase)

    def send_400_response(self, msg: str) -> None:
        """What uvicorn does with anything that its parser does not take."""
        self._reject(self._error_status or HTTPStatus.BAD_REQUEST)

    def _reject(self, status: HTTPStatus) -> None:
        """No more is read. What is under way is answered first, unless this is about that request itself."""
        self._discards_input = True
        self._stop_head_timer()
        if self._is_idle:
            self._send_error(status)
        elif not self.cycle.more_body:
            self.cycle.keep_alive = False
        elif self.pipeline or self.cycle.response_started:
            self.transport.abort()
        else:
            self.cycle.disconnected = True  # as the application is told
            self.cycle.message_event.set()
            self._send_error(status)

    def _send_error(self, status: HTTPStatus) -> None:
        """To somebody who may still send: a connection that is closed at once would often take the answer along."""
        self._limiter.mark_idle(self)
        self._write_error(status)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._stop_write_timer()
        self._write_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _write_error(self, status: HTTPStatus) -> None:
        body = {"type": "about:blank", "title": status.phrase, "status": status, "detail": _ERROR_DETAILS[status]}
        content = json.dumps(body).encode()
        headers = {**SECURITY_HEADERS, "Content-Type": PROBLEM_MEDIA_TYPE, "Content-Length": len(content)}
        if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
            headers["Retry-After"] = 10  # seconds: half the time that a head has
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[status] + lines.encode() + b"Connection: close\r\n\r\n" + content)


_ERROR_DETAILS: Final = {
    HTTPStatus.BAD_REQUEST: "This is no HTTP request.",
    HTTPStatus.REQUEST_TIMEOUT: "The head of the request came too slowly.",
    HTTPStatus.REQUEST_URI_TOO_LONG: f"The address is too long; {_MAX_URL_BYTES} bytes are taken here.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The header lines of the request are too many, or too long.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many connections of one address.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Too many connections; come again soon.",
}
