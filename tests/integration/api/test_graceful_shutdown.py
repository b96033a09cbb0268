"""Graceful shutdown of the API."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from deployments.api.middleware.graceful_streams import GracefulServer, StreamShutdownMiddleware

ROOT = Path(__file__).resolve().parents[3]


@contextmanager
def run_streaming_app(ended: threading.Event) -> Iterator[tuple[GracefulServer, str]]:
    """An API with an endless event stream, in a thread; yields its server and address."""
    app = FastAPI()
    leaving = asyncio.Event()
    app.add_middleware(StreamShutdownMiddleware, shutting_down=leaving)

    async def lines() -> AsyncIterator[str]:
        try:
            while True:
                yield "event: job\ndata: {}\n\n"
                async with asyncio.timeout(60):
                    await asyncio.Event().wait()
        finally:
            ended.set()

    @app.get("/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(lines(), media_type="text/event-stream")

    server = GracefulServer(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=60), leaving)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        sleep(0.01)
    yield server, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


def test_event_streams_end_cleanly_at_shutdown() -> None:
    ended = threading.Event()
    with run_streaming_app(ended) as (server, address), httpx.stream("GET", f"{address}/events", timeout=30) as answer:
        parts = answer.iter_text()
        assert next(parts) == "event: job\ndata: {}\n\n"
        server.should_exit = True
        assert list(parts) == [], "httpx raises for a stream that breaks off instead of ending"
    assert ended.wait(5)


def test_a_disconnecting_client_ends_only_its_stream() -> None:
    ended = threading.Event()
    with run_streaming_app(ended) as (server, address):
        with httpx.stream("GET", f"{address}/events", timeout=30) as answer:
            next(answer.iter_text())
        assert ended.wait(5)
        assert not server.should_exit


@contextmanager
def run_api_process(
    folder: Path, *, files: int | None = None, **settings: object
) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """The API as in production, without dependencies; yields its process, port and log.

    `settings` are fields of `ApiSettings`; `files` limits its open files.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    variables = {
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "PREFECT_HOME": str(folder),
        "VIDEOJOBS_API_PORT": str(port),
        "VIDEOJOBS_API_LOG_FORMAT": "json",
        "VIDEOJOBS_API_CALLBACK_TIMEOUT_SECONDS": "60",
        **{f"VIDEOJOBS_API_{name.upper()}": str(value) for name, value in settings.items()},
    }
    log_capture = folder / "log"
    with log_capture.open("wb") as output:
        limit = [] if files is None else ["sh", "-c", f'ulimit -n {files} && exec "$@"', "sh"]
        command = [*limit, sys.executable, "-m", "deployments.api"]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **variables}, stderr=output)
        try:
            yield process, port, log_capture
        finally:
            process.kill()
            process.wait()


def connect_when_up(port: int) -> socket.socket:
    """A connection, as soon as the server listens."""
    deadline = monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except OSError:
            assert monotonic() < deadline, "the API does not start"
            sleep(0.05)


def test_sigterm_lets_the_request_in_flight_finish(tmp_path: Path) -> None:
    with run_api_process(tmp_path) as (process, port, log_capture), connect_when_up(port) as connection:
        token = "t" * 43
        head = f"POST /callbacks/sync-so/{token} HTTP/1.1\r\nHost: api\r\nContent-Length: 4\r\n\r\n{{}}"
        connection.sendall(head.encode())
        process.send_signal(signal.SIGTERM)
        deadline = monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            except OSError:
                break
            assert monotonic() < deadline, "it still takes connections"
            sleep(0.05)
        assert process.poll() is None, "it waits for the request that is under way"
        connection.sendall(b"  ")
        assert connection.recv(64).startswith(b"HTTP/1.1 503 "), "Prefect is away, so it is asked to come again"
        process.wait(30)
        lines = [json.loads(line) for line in log_capture.read_text().splitlines()]
    [request] = [line for line in lines if line.get("route")]
    assert (request["route"], request["status"]) == ("/callbacks/{provider}/{token}", 503)
    assert token not in json.dumps(lines)
