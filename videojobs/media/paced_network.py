"""Connections under a `TransferWatchdog`, which checks at least once per wait slice whether to continue.

A network backend for httpcore (a documented extension point), on which httpx builds. httpx's time-outs apply to
single reads, and no other thread can end a read.
"""

import os
import select
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from errno import EINPROGRESS
from functools import partial
from ssl import SSLContext, SSLSocket
from typing import Any

import httpcore

from videojobs.media.transfer_pace import WAIT_SLICE_SECONDS, TransferWatchdog


class WatchedNetworkBackend(httpcore.NetworkBackend):
    """Connects to IP addresses; names are resolved elsewhere. One per transfer."""

    def __init__(self, watchdog: TransferWatchdog) -> None:
        self._watchdog = watchdog

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,  # part of httpcore's interface; never set
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        with _as_httpcore_errors(httpcore.ConnectError, httpcore.ConnectTimeout):
            family, kind, protocol, _, address = socket.getaddrinfo(
                host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )[0]
            sock = socket.socket(family, kind, protocol)
            try:
                self._connect(sock, address)
            except BaseException:
                sock.close()
                raise
        return _WatchedStream(sock, self._watchdog)

    def _connect(self, sock: socket.socket, address: Any) -> None:
        sock.setblocking(False)
        if (code := sock.connect_ex(address)) not in (0, EINPROGRESS):
            raise OSError(code, os.strerror(code))
        poll = select.poll()
        poll.register(sock, select.POLLOUT)

        def attempt() -> None:
            if not poll.poll(WAIT_SLICE_SECONDS * 1000):
                raise TimeoutError

        self._watchdog.wait_to_connect(attempt)
        if code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(code, os.strerror(code))
        sock.settimeout(WAIT_SLICE_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class _WatchedStream(httpcore.NetworkStream):
    """A connection. The watchdog replaces httpcore's time-outs, which apply to single reads."""

    def __init__(self, sock: socket.socket, watchdog: TransferWatchdog) -> None:
        self._sock = sock
        self._watchdog = watchdog

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _as_httpcore_errors(httpcore.ReadError, httpcore.ReadTimeout):
            content = self._watchdog.wait_to_transfer(partial(self._sock.recv, max_bytes))
        self._watchdog.add_received(len(content))
        return content

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _as_httpcore_errors(httpcore.WriteError, httpcore.WriteTimeout):
            while buffer:
                sent = self._watchdog.wait_to_transfer(partial(self._sock.send, buffer))
                buffer = buffer[sent:]

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with _as_httpcore_errors(httpcore.ConnectError, httpcore.ConnectTimeout):
            self._sock = ssl_context.wrap_socket(
                self._sock, server_hostname=server_hostname, do_handshake_on_connect=False
            )
            try:
                self._watchdog.wait_to_connect(self._sock.do_handshake)
            except BaseException:
                self.close()  # httpcore cannot: for it there is no connection yet
                raise
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._sock if info == "ssl_object" and isinstance(self._sock, SSLSocket) else None


@contextmanager
def _as_httpcore_errors(network_error: type[Exception], timeout_error: type[Exception]) -> Iterator[None]:
    """Convert the system's errors to httpcore's."""
    try:
        yield
    except TimeoutError as error:
        raise timeout_error(str(error)) from error
    except OSError as error:
        raise network_error(str(error)) from error
