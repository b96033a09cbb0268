"""A small web server with a page for every way in which a link can respond."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import ClassVar

CONTENT = bytes(range(256)) * 4096  # 1 MiB


TRICKLE_INTERVAL_SECONDS = 0.01  # seconds between two chunks
TRICKLE_RESPONSES = {
    "drip": (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"."),
    "drip-headers": (b"HTTP/1.1 200 OK\r\n", b"X-Drip: 1\r\n"),
    "drip-interim": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
}


class WaitableCounter:
    """A number that a thread can wait for."""

    def __init__(self, value: int) -> None:
        self._value, self._changed = value, Condition()

    def add(self, number: int) -> None:
        with self._changed:
            self._value += number
            self._changed.notify_all()

    def wait(self, value: int, seconds: float) -> bool:
        """Whether it reached this number within the timeout."""
        with self._changed:
            return self._changed.wait_for(lambda: self._value == value, seconds)


class Website(ThreadingHTTPServer):
    """`/paused` sends a part, sets `paused`, sends the rest when `go_on` is set, and sets `left` when the client is
    done.

    `/to?ADDRESS` redirects to that address, and `/lane?5`, after a moment, to `/lane?4` and so on to `/file`. `/steady`
    sends the file in chunks, with a pause between them. `/drip`, `/drip-headers` and `/drip-interim` send a byte or a
    line of it now and then, without end; `dripping` counts the clients that receive them.
    """

    daemon_threads = True
    request_queue_size = 128  # more than any test connects at once

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _RequestHandler)
        self.host = host
        self.closing, self.paused, self.go_on, self.left = Event(), Event(), Event(), Event()
        self.dripping = WaitableCounter(0)
        self.asked: list[str] = []  # Range headers of requests for `/broken...`
        self.named: list[str] = []  # the Host header of each request

    def url(self, path: str, name: str | None = None) -> str:
        return f"http://{name or self.host}:{self.server_port}/{path}"


class _RequestHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Website
    redirects: ClassVar[dict[str, str]] = {
        "moved": "/file",
        "round": "/round",
        "out": "file:///etc/hostname",
        "ftp": "ftp://127.0.0.1/file",
    }

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.named.append(self.headers.get("Host", ""))
        name, _, query = self.path.strip("/").partition("?")
        if name == "to":
            self._answer(302, {"Location": query, "Content-Length": "0"})
        elif name in self.redirects:
            self._answer(302, {"Location": self.redirects[name], "Content-Length": "0"})
        elif name.isdigit():
            self._answer(int(name), {"Content-Length": "0", "Retry-After": "7"})
        elif name == "page":
            self._answer(200, {"Content-Type": "text/html; charset=utf-8"}, b"<h1>Please log in</h1>")
        elif name == "cut":
            self._answer(200, {"Content-Length": str(len(CONTENT) * 2)}, CONTENT)
        elif name.startswith("broken"):
            self._send_partial(name)
        elif name == "unmeasured":
            self._answer(200, {}, CONTENT)
        elif name == "silent":
            self._answer(200, {"Content-Length": str(len(CONTENT))}, CONTENT[:1000])
            self.server.closing.wait()
        elif name == "paused":
            self._answer(200, {"Content-Length": str(len(CONTENT)), "Connection": "keep-alive"}, CONTENT[:1000])
            self.server.paused.set()
            self.server.go_on.wait()
            with suppress(ConnectionError):
                self.wfile.write(CONTENT[1000:])
                self.rfile.read(1)
            self.server.left.set()
        else:
            self._answer_file(name, query)

    def _answer_file(self, name: str, query: str) -> None:
        if name == "lane":
            self.server.closing.wait(0.1)
            place = f"/lane?{int(query) - 1}" if int(query) else "/file"
            self._answer(302, {"Location": place, "Content-Length": "0"})
        elif name in TRICKLE_RESPONSES:
            self._trickle(*TRICKLE_RESPONSES[name])
        elif name.startswith("packed"):
            content = bytes(10 * 1024**2)
            for _ in range(query.count("gzip")):
                content = gzip.compress(content)
            self._answer(200, {"Content-Length": str(len(content)), "Content-Encoding": query}, content)
        elif name == "steady":
            self._answer(200, {"Content-Length": str(len(CONTENT))})
            for start in range(0, len(CONTENT), len(CONTENT) // 16):
                self.wfile.write(CONTENT[start : start + len(CONTENT) // 16])
                self.server.closing.wait(TRICKLE_INTERVAL_SECONDS)
        elif name == "endless":
            self._send_endless()
        else:
            self._answer(200, {"Content-Length": str(len(CONTENT))}, CONTENT)

    def _send_partial(self, name: str) -> None:
        """Send a third of the file per response; for `broken-changed`, the file differs in the next response."""
        asked = self.headers.get("Range", "")
        start = int(asked.removeprefix("bytes=").rstrip("-") or 0)
        version = f'"{start}"' if name == "broken-changed" else '"the-file"'
        if name == "broken-for-good" or (asked and self.headers.get("If-Range") != version):
            start = 0
        status = 206 if start else 200
        place = {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if start else {}
        headers = {"Content-Length": str(len(CONTENT) - start), "ETag": version, "Accept-Ranges": "bytes", **place}
        self.server.asked.append(asked)
        self._answer(status, headers, CONTENT[start : start + len(CONTENT) // 3 + 1])

    def _trickle(self, start: bytes, drip: bytes) -> None:
        self.server.dripping.add(1)
        with suppress(ConnectionError):
            self.wfile.write(start)
            while not self.server.closing.wait(TRICKLE_INTERVAL_SECONDS):
                self.wfile.write(drip)
        self.server.dripping.add(-1)

    def _send_endless(self) -> None:
        with suppress(ConnectionError):
            self._answer(200, {}, CONTENT)
            while not self.server.closing.is_set():
                self.wfile.write(CONTENT)

    def _answer(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in ({"Connection": "close"} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name in the base class
        """Logs nothing."""


@contextmanager
def run_website(host: str = "127.0.0.1") -> Iterator[Website]:
    with Website(host) as website:
        thread = Thread(target=website.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield website
        finally:
            website.closing.set()
            website.shutdown()
            thread.join()
