"""A receiver of webhooks that behaves as the path says: /ok, /status/410, /redirect, /hang, /flaky/2 and so on."""

import json
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks import Webhook


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    def verify(self, secret: str) -> Any:
        """Raises WebhookVerificationError."""
        return Webhook(secret).verify(self.raw, self.headers)


@dataclass
class WebhookReceiver:
    url: str = ""
    received: list[Received] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    """Set: requests to /hang are answered."""
    _queue: "queue.Queue[Received]" = field(default_factory=queue.Queue)
    _counts: dict[str, int] = field(default_factory=dict)

    def next(self, timeout: float = 15) -> Received:
        """The next request, in the order of their arrival. Blocks."""
        return self._queue.get(timeout=timeout)

    def receive(self, item: Received) -> int:
        """Keep a request; returns how many its path has received."""
        self.received.append(item)
        self._counts[item.path] = self._counts.get(item.path, 0) + 1
        self._queue.put(item)
        return self._counts[item.path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


@contextmanager
def run_webhook_receiver() -> Iterator[WebhookReceiver]:
    receiver = WebhookReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            count = receiver.receive(Received(self.path, headers, raw))
            _, kind, *rest = self.path.split("/")
            match kind:
                case "status":
                    self._answer(int(rest[0]), b"status of the path")
                case "redirect":
                    self.send_response(302)
                    self.send_header("location", f"{receiver.url}/ok")
                    self.end_headers()
                case "hang":
                    receiver.release.wait(60)
                    self._answer(200, b"late")
                case "drip":  # the status at once, and the rest never
                    self.send_response(200)
                    self.send_header("content-length", "1000")
                    self.end_headers()
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    receiver.release.wait(60)
                case "flaky":
                    self._answer(503 if count <= int(rest[0]) else 200, b"flaky")
                case "killed" if count <= int(rest[0]):  # it has read the message, and dies before it answers
                    self.connection.shutdown(socket.SHUT_RDWR)
                case "large":
                    self._answer(500, b"\0<b>" + b"x" * 1_000_000)
                case _:
                    self._answer(200, b"ok")

        def _answer(self, status: int, body: bytes) -> None:
            try:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except OSError:  # the sender has closed the connection
                return

        def log_message(self, *_: object) -> None:
            return

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
        yield receiver
        receiver.release.set()
        server.shutdown()
