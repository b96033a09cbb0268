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

from deployments.gateway.problems import MEDIA_TYPE, SECURITY_HEADERS
from deployments.gateway.settings import Door

_URL_BYTES: Final = 16 * 1024  # a cursor and a file name have less than 1 KB; browsers and proxies end at 8 to 64 KB
_QUEUED: Final = 8  # requests behind the one that is answered: no browser and no HTTP library of today sends any
_LINGER_SECONDS: Final = 1.0  # in which who is refused still sends, and can read why
_ACCEPTED_AT_ONCE: Final = 128  # connections in one round of the event loop, and as many wait in the kernel
_OTHER_FILES: Final = 512  # 60 of our own (Postgres, storage, Prefect), and three rounds of connections on their way
_TELL_SECONDS: Final = 60  # between two lines of the log about connections that found no room

log = logging.getLogger(__name__)


class Connections:
    """All that are open, `most` of them and of one address `each`.

    Where there is no room, the one that has waited longest for a request is closed: its client has none under way.
    """

    def __init__(self, most: int, each: int | None) -> None:
        self._most = most
        self._each = each
        self._addresses: dict[Connection, str] = {}
        self._by_address: Counter[str] = Counter()
        self._waiting: dict[Connection, None] = {}  # in the order in which they began to
        self._told = -float(_TELL_SECONDS)

    def enter(self, connection: "Connection", address: str) -> HTTPStatus | None:
        """A new one. What to answer, where it cannot stay."""
        if self._each is not None and self._by_address[address] >= self._each:
            return HTTPStatus.TOO_MANY_REQUESTS
        if len(self._addresses) >= self._most:
            self._tell()
            if not self._waiting:
                return HTTPStatus.SERVICE_UNAVAILABLE
            longest = next(iter(self._waiting))
            self.leave(longest)
            longest.transport.abort()
        self._addresses[connection] = address
        self._by_address[address] += 1
        self.waits(connection)
        return None

    def leave(self, connection: "Connection") -> None:
        """It is closed. Nothing where that is known."""
        self._waiting.pop(connection, None)
        if (address := self._addresses.pop(connection, None)) is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def waits(self, connection: "Connection") -> None:
        """Nothing is under way on it."""
        if connection in self._addresses:
            self._waiting[connection] = None

    def works(self, connection: "Connection") -> None:
        """A request has come in."""
        self._waiting.pop(connection, None)

    def _tell(self) -> None:
        if (now := time.monotonic()) - self._told >= _TELL_SECONDS:
            self._told = now
            log.warning("All %d connections are taken: those that wait are closed for new ones", self._most)


class Serving(uvicorn.Config):
    """How the front door is served: over `Connection`s, as many as the process has files for."""

    def __init__(self, app: FastAPI, door: Door, **more: Any) -> None:
        super().__init__(app, http=Connection, ws="none", backlog=_ACCEPTED_AT_ONCE, **more)
        self.door = door
        self.taken = Connections(_with_files(door.connections), door.connections_each)


def _with_files(wanted: int) -> int:
    """So many connections, or for how many there can be files. Asks the system for as many as it may give."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _OTHER_FILES
    if soft == resource.RLIM_INFINITY:
        return wanted
    if soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft >= needed:
        return wanted
    possible = max(soft - _OTHER_FILES, soft // 4)
    log.warning("%d connections instead of %d: this process may open %d files only", possible, wanted, soft)
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
        assert isinstance(config, Serving)  # noqa: S101  # what makes these
        self._door, self._taken = config.door, config.taken
        self._lines = self._bytes = 0  # of this request's head, and of what stands behind its body
        self._loose = 0  # bytes that have come since something was complete: the parser may keep all of them
        self._is_in_head = False
        self._is_over = False  # whatever still comes is dropped
        self._refusal: HTTPStatus | None = None  # why the parser was stopped
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    # ---- from its beginning to its end -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        refusal = self._taken.enter(self, self.client[0] if self.client else "unknown")
        if refusal is None:
            self._await_head()
        else:
            self._is_over = True
            self._write(refusal)
            transport.close()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        self._loose += len(data)
        super().data_received(data)
        if self._is_over:
            return
        if self._loose > self._door.head_bytes:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self._head_timer is None and self._is_idle:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._is_over = True
        self._taken.leave(self)
        self._stop_head_timer()
        self._stop_write_timer()

    def _unsupported_upgrade_warning(self) -> None:
        """Who asks for WebSocket or HTTP/2 gets a usual answer, as HTTP allows, and no lines in our log.

        The parser takes nothing behind such a head for its body, so nothing behind it is read at all.
        """
        self._is_over = True
        self.cycle.keep_alive = False

    # ---- what the parser finds ---------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._lines = self._bytes = self._loose = 0
        self._is_in_head = True

    def on_url(self, url: bytes) -> None:
        self._loose = 0
        super().on_url(url)
        if len(self.url) > _URL_BYTES:
            self._stop(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._loose = 0
        self._lines += 1
        self._bytes += len(name) + len(value) + 4  # a colon, a blank, a line's end
        if self._lines > self._door.head_lines or self._bytes > self._door.head_bytes:
            self._stop(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._loose = 0
        self._is_in_head = False
        if len(self.pipeline) >= _QUEUED:
            self._stop(HTTPStatus.TOO_MANY_REQUESTS)
        self._stop_head_timer()
        self._taken.works(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._loose = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._loose = 0
        super().on_message_complete()

    # ---- time --------------------------------------------------------------------------------------------

    @property
    def _is_idle(self) -> bool:
        """No request is under way; a part of the next one may have come."""
        return self.cycle is None or self.cycle.response_complete

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self._door.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._is_in_head or self._loose:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._end_unless_read()
        elif self._is_idle:
            self._taken.waits(self)

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._end_unless_read()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._end_unless_read()

    def resume_writing(self) -> None:
        super().resume_writing()
        if not self.transport.is_closing():
            self._stop_write_timer()

    def _end_unless_read(self) -> None:
        """A client that does not read its answer would hold the connection for ever: a close waits for it, too."""
        if self._write_timer is None and self.transport.get_write_buffer_size():
            self._write_timer = self.loop.call_later(self._door.unread_seconds, self.transport.abort)

    def _stop_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    # ---- refusals ----------------------------------------------------------------------------------------

    def _stop(self, status: HTTPStatus) -> None:
        """Within a callback of the parser: it feeds nothing more, and `send_400_response` is called."""
        self._refusal = status
        raise ValueError(status.phrase)

    def send_400_response(self, msg: str) -> None:
        """What uvicorn does with anything that its parser does not take."""
        self._refuse(self._refusal or HTTPStatus.BAD_REQUEST)

    def _refuse(self, status: HTTPStatus) -> None:
        """No more is read. What is under way is answered first, unless this is about that request itself."""
        self._is_over = True
        self._stop_head_timer()
        if self._is_idle:
            self._answer(status)
        elif not self.cycle.more_body:
            self.cycle.keep_alive = False
        elif self.pipeline or self.cycle.response_started:
            self.transport.abort()
        else:
            self.cycle.disconnected = True  # as the application is told
            self.cycle.message_event.set()
            self._answer(status)

    def _answer(self, status: HTTPStatus) -> None:
        """To somebody who may still send: a connection that is closed at once would often take the answer along."""
        self._taken.waits(self)
        self._write(status)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._stop_write_timer()
        self._write_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _write(self, status: HTTPStatus) -> None:
        body = {"type": "about:blank", "title": status.phrase, "status": status, "detail": _DETAILS[status]}
        content = json.dumps(body).encode()
        headers = {**SECURITY_HEADERS, "Content-Type": MEDIA_TYPE, "Content-Length": len(content)}
        if status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
            headers["Retry-After"] = 10  # seconds: half the time that a head has
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[status] + lines.encode() + b"Connection: close\r\n\r\n" + content)


_DETAILS: Final = {
    HTTPStatus.BAD_REQUEST: "This is no HTTP request.",
    HTTPStatus.REQUEST_TIMEOUT: "The head of the request came too slowly.",
    HTTPStatus.REQUEST_URI_TOO_LONG: f"The address is too long; {_URL_BYTES} bytes are taken here.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The header lines of the request are too many, or too long.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many connections of one address.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Too many connections; come again soon.",
}
