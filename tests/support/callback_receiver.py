"""Two small web servers for tests: one serves source files, one receives webhooks and callbacks."""

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


class CallbackReceiver:
    """Receives deliveries. `replies` holds (status, body) for the next ones; after those, each gets 200 "ok"."""

    def __init__(self) -> None:
        self.url = ""
        self.replies: list[tuple[int, bytes]] = []
        self._inboxes: dict[str, queue.Queue[Delivery]] = {}

    def inbox(self, path: str) -> "queue.Queue[Delivery]":
        return self._inboxes.setdefault(path, queue.Queue())

    def wait_for(self, path: str) -> Delivery:
        """The next delivery to that path."""
        return self.inbox(path).get(timeout=15)

    def receive(self, delivery: Delivery) -> tuple[int, bytes]:
        self.inbox(delivery.path).put(delivery)
        return self.replies.pop(0) if self.replies else (200, b"ok")


@contextmanager
def run_callback_receiver() -> Iterator[CallbackReceiver]:
    listener = CallbackReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, body = listener.receive(Delivery(self.path, headers, raw))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with _run_http_server(Handler) as listener.url:
        yield listener


@contextmanager
def serve_files(folder: Path) -> Iterator[str]:
    """Serve a folder and give its address. Every path under /forbidden is rejected."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/forbidden"):
                self.send_error(403)
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            return

    with _run_http_server(partial(Handler, directory=str(folder))) as url:
        yield url


@contextmanager
def _run_http_server(handler: Any) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
