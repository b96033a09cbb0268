"""Two small web servers of a test: one hands out source files, one takes webhooks and callbacks."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Delivery:
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


class Listener:
    """Takes deliveries; `answers` holds (status, body) for the next ones, then all are taken with 200 "ok"."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[tuple[int, bytes]] = []
        self._arrived: dict[str, queue.Queue[Delivery]] = {}

    def inbox(self, path: str) -> "queue.Queue[Delivery]":
        return self._arrived.setdefault(path, queue.Queue())

    def next(self, path: str) -> Delivery:
        """The next delivery at that path."""
        return self.inbox(path).get(timeout=15)

    def arrive(self, delivery: Delivery) -> tuple[int, bytes]:
        self.inbox(delivery.path).put(delivery)
        return self.answers.pop(0) if self.answers else (200, b"ok")


@contextmanager
def listening() -> Iterator[Listener]:
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, body = listener.arrive(Delivery(self.path, headers, raw))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with _served(Handler) as listener.url:
        yield listener


@contextmanager
def serving_files(folder: Path) -> Iterator[str]:
    """The folder's address. Every path under /forbidden is refused."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/forbidden"):
                self.send_error(403)
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            return

    with _served(partial(Handler, directory=str(folder))) as url:
        yield url


@contextmanager
def _served(handler: Any) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
