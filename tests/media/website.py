"""A small web server whose pages answer in every way that a link can."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import ClassVar

CONTENT = bytes(range(256)) * 4096  # 1 MiB


class Website(ThreadingHTTPServer):
    """`/paused` sends a part, sets `paused`, sends the rest upon `go_on`, and sets `left` when the client is done.

    `/to?ADDRESS` redirects to that address.
    """

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Page)
        self.host = host
        self.closing, self.paused, self.go_on, self.left = Event(), Event(), Event(), Event()
        self.asked: list[str] = []  # ranges of `/broken...`
        self.named: list[str] = []  # what each request called this site

    def url(self, path: str, name: str | None = None) -> str:
        return f"http://{name or self.host}:{self.server_port}/{path}"


class _Page(BaseHTTPRequestHandler):
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
            self._break_off(name)
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
            self._answer(200, {"Content-Length": str(len(CONTENT))}, CONTENT)

    def _break_off(self, name: str) -> None:
        """A third of the file in each answer; `broken-changed` is another file the next time."""
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

    def _answer(self, status: int, headers: dict[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in ({"Connection": "close"} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that the base class gives it
        """Says nothing."""


@contextmanager
def serving(host: str = "127.0.0.1") -> Iterator[Website]:
    with Website(host) as website:
        thread = Thread(target=website.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield website
        finally:
            website.closing.set()
            website.shutdown()
            thread.join()
