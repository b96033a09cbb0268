"""What whoever runs the door sees of it: readiness, figures, logs, and how it closes."""

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from prometheus_client.parser import text_string_to_metric_families

from deployments.gateway import readiness
from deployments.gateway.app import create_app
from deployments.gateway.backing import Backing
from deployments.gateway.leaving import EndsStreams, Server
from deployments.gateway.logs import JsonLines
from tests.gateway.test_door import Broken
from tests.gateway.vendors import SYNC_SO, Caller, OnTheLedger, submitted
from tests.ledger.conftest import Opened
from videojobs.errors import LedgerUnavailable
from videojobs.ledger import Ledger

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def broken() -> Backing:
    return Broken(LedgerUnavailable("the job database on db-1 does not answer"))


def client(backing: Backing, *, host: str = "127.0.0.1") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(create_app(backing), client=(host, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://door")


# ---- readiness -------------------------------------------------------------------------------------------


async def at_once(_: Backing) -> None:
    """A part that is there."""


async def gone(_: Backing) -> None:
    raise OSError("db-1 refused the connection")


async def hanging(_: Backing) -> None:
    await asyncio.Event().wait()


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Parts that answer as they are told, all others at once."""

    def told(**checks: Callable[[Backing], Awaitable[None]]) -> None:
        for name in readiness.CHECKS:
            monkeypatch.setitem(readiness.CHECKS, name, checks.get(name, at_once))

    monkeypatch.setenv("VIDEOJOBS_GATEWAY_READY_SECONDS", "0.05")
    return told


async def test_it_is_ready_when_all_that_it_stands_on_answers(parts: Callable[..., None], broken: Backing) -> None:
    parts()
    async with client(broken) as http:
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"postgres": "up", "prefect": "up", "storage": "up"})


@pytest.mark.parametrize("part", ["postgres", "prefect", "storage"])
@pytest.mark.parametrize("how", [gone, hanging], ids=["gone", "hanging"])
async def test_a_part_that_does_not_answer_in_time_is_named_and_nothing_else_is_told(
    parts: Callable[..., None], broken: Backing, part: str, how: Callable[[Backing], Awaitable[None]]
) -> None:
    parts(**{part: how})
    async with client(broken) as http, asyncio.timeout(5):
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {name: "away" if name == part else "up" for name in ("postgres", "prefect", "storage")}


async def test_a_part_that_hangs_is_not_asked_again_by_everybody_who_wants_to_know(
    parts: Callable[..., None], broken: Backing
) -> None:
    asked = 0

    async def counted(_: Backing) -> None:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()

    parts(storage=counted)
    async with client(broken) as http:
        await asyncio.gather(*(http.get("/readyz") for _ in range(5)))
        await http.get("/readyz")
    assert asked == 1


# ---- figures ---------------------------------------------------------------------------------------------


def read(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every figure by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def figures(http: httpx.AsyncClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    answer = await http.get("/metrics")
    assert answer.status_code == 200
    return read(answer.text)


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


async def test_the_state_of_the_jobs_can_be_watched(
    ledger: Ledger, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_GATEWAY_METRICS_SECONDS", "0")
    async with client(OnTheLedger(ledger)) as http:
        before = await figures(http)
        lease = await opened()
        await submitted(ledger, lease, SYNC_SO)
        await ledger.park(lease, "nobody knows")
        after = await figures(http)
    parked = key("videojobs_jobs", status="processing", point="uploaded", parked="true")
    assert after[parked] - before.get(parked, 0) == 1
    assert after[key("videojobs_parked_jobs")] - before[key("videojobs_parked_jobs")] == 1
    intended = key("videojobs_submissions_last_day", vendor="Sync.so", state="intended")
    assert after[intended] - before.get(intended, 0) == 1
    assert after[key("videojobs_ledger_up")] == 1
    assert key("videojobs_oldest_job_seconds") in after
    assert key("videojobs_spent_today", vendor="Sync.so", unit="usd") in after


async def test_the_ledger_is_asked_once_for_all_who_read_the_figures_within_some_seconds(ledger: Ledger) -> None:
    asked = 0

    class Counting(OnTheLedger):
        async def ledger(self) -> Ledger:
            nonlocal asked
            asked += 1
            return await super().ledger()

    async with client(Counting(ledger)) as http:
        await asyncio.gather(*(http.get("/metrics") for _ in range(5)))
    assert asked == 1


async def test_while_the_ledger_is_away_that_is_what_the_figures_say(broken: Backing) -> None:
    async with client(broken) as http:
        found = await figures(http)
    assert found[key("videojobs_ledger_up")] == 0
    assert not [name for name, _ in found if name.startswith("videojobs_jobs")]


async def test_callbacks_are_counted_by_what_became_of_them(ledger: Ledger, opened: Opened, broken: Backing) -> None:
    submission = await submitted(ledger, await opened(), SYNC_SO)
    door = Caller(OnTheLedger(ledger))
    body = SYNC_SO.body("42")
    await door.call(SYNC_SO, submission.callback_token, body)
    await door.call(SYNC_SO, submission.callback_token, body, SYNC_SO.signed(body, secret="guessed"))
    await door.call(SYNC_SO, "x" * 43, body)
    found = await figures(door.http)
    assert found[key("videojobs_callbacks_total", vendor="Sync.so", outcome="taken")] == 1
    assert found[key("videojobs_callbacks_total", vendor="Sync.so", outcome="refused")] == 2
    away = Caller(broken)
    await away.call(SYNC_SO, submission.callback_token, body)
    assert (await figures(away.http))[key("videojobs_callbacks_total", vendor="Sync.so", outcome="put off")] == 1


async def test_requests_are_counted_by_their_route_so_no_address_can_make_figures_of_its_own(broken: Backing) -> None:
    async with client(broken) as http:
        await http.post(f"/callbacks/sync-so/{'s' * 43}", content=b"12345")
        for path in ("/a", "/b?token=secret", "/callbacks/nobody/secret"):
            await http.get(path)
        await http.request("BREW", "/healthz")
        answer = await http.get("/metrics")
    found = read(answer.text)
    route = "/callbacks/sync-so/{token}"
    assert found[key("videojobs_gateway_requests_total", method="POST", route=route, status="503")] == 1
    assert found[key("videojobs_gateway_received_bytes_total", route=route)] == 5
    assert found[key("videojobs_gateway_requests_total", method="GET", route="(none)", status="404")] == 3
    assert found[key("videojobs_gateway_requests_total", method="other", route="/healthz", status="405")] == 1
    assert "secret" not in answer.text
    assert "s" * 43 not in answer.text


async def test_an_error_that_nobody_foresaw_is_counted_and_logged_as_one(log: "Kept") -> None:
    app = create_app(Broken(ZeroDivisionError("oh")))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://door") as http:
        assert (await http.post(f"/callbacks/sync-so/{'s' * 43}", content=b"{}")).status_code == 500
        found = await figures(http)
    route = "/callbacks/sync-so/{token}"
    assert found[key("videojobs_gateway_requests_total", method="POST", route=route, status="500")] == 1
    assert [line["status"] for line in log.lines if line.get("route") == route] == [500]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (None, 401),
        ("Bearer guessed", 401),
        ("Bearer ", 401),
        ("Basic the-token", 401),
        ("Bearer the-tokenx", 401),
        ("Bearer ünïcode", 401),
        ("Bearer the-token", 200),
    ],
)
async def test_where_a_token_is_set_the_figures_are_for_who_has_it(
    broken: Backing, monkeypatch: pytest.MonkeyPatch, given: str | None, status: int
) -> None:
    monkeypatch.setenv("VIDEOJOBS_GATEWAY_METRICS_TOKEN", "the-token")
    headers = httpx.Headers() if given is None else httpx.Headers({b"authorization": given.encode()})
    async with client(broken, host="203.0.113.9") as http:
        assert (await http.get("/metrics", headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("203.0.113.9", {}, 403),
        ("10.0.0.9", {}, 403),
        ("", {}, 403),
        ("127.0.0.1", {"X-Forwarded-For": "203.0.113.9"}, 403),
        ("127.0.0.1", {"Forwarded": "for=203.0.113.9"}, 403),
        ("127.0.0.1", {"X-Real-IP": "127.0.0.1"}, 403),
    ],
)
async def test_without_a_token_they_are_for_callers_on_the_same_machine(
    broken: Backing, host: str, headers: dict[str, str], status: int
) -> None:
    async with client(broken, host=host) as http:
        assert (await http.get("/metrics", headers=headers)).status_code == status


# ---- logs ------------------------------------------------------------------------------------------------


class Kept(logging.Handler):
    """JSON lines, kept."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, object]] = []
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def log() -> Iterator[Kept]:
    kept, logger = Kept(), logging.getLogger("deployments.gateway")
    level = logger.level
    logger.addHandler(kept)
    logger.setLevel(logging.INFO)
    yield kept
    logger.removeHandler(kept)
    logger.setLevel(level)


async def test_a_line_tells_its_job_and_its_request_and_no_secret(ledger: Ledger, opened: Opened, log: Kept) -> None:
    lease = await opened()
    submission = await submitted(ledger, lease, SYNC_SO)
    await ledger.release(lease, in_order=False)
    await Caller(OnTheLedger(ledger)).call(SYNC_SO, submission.callback_token, SYNC_SO.body("42"))
    work, request = log.lines
    assert work["job_id"] == request["job_id"] == lease.job_id
    assert work["request_id"] == request["request_id"]
    assert {name: request[name] for name in ("method", "route", "status")} == {
        "method": "POST",
        "route": "/callbacks/sync-so/{token}",
        "status": 200,
    }
    assert submission.callback_token not in json.dumps(log.lines)


async def test_an_address_that_nobody_was_given_leaves_no_trace_of_what_was_guessed(ledger: Ledger, log: Kept) -> None:
    door = Caller(OnTheLedger(ledger))
    await door.call(SYNC_SO, "g" * 43, SYNC_SO.body("42"))
    await door.http.get("/anything?X-Amz-Signature=secret")
    assert [line["route"] for line in log.lines] == ["/callbacks/sync-so/{token}", "(none)"]
    assert not [word for word in ("g" * 43, "secret", "anything") if word in json.dumps(log.lines)]


def test_an_error_is_one_line_with_all_that_it_says() -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        record = logging.LogRecord("door", logging.ERROR, __file__, 1, "It %s", ("broke",), sys.exc_info())
    line = JsonLines().format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["level"], told["message"]) == ("error", "It broke")
    assert "first\nsecond" in told["error"]


# ---- closing ---------------------------------------------------------------------------------------------


@contextmanager
def streaming(ended: threading.Event) -> Iterator[tuple[Server, str]]:
    """A door with an endless stream of events, in a thread; gives its server and address."""
    app = FastAPI()
    leaving = asyncio.Event()
    app.add_middleware(EndsStreams, leaving=leaving)

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

    server = Server(uvicorn.Config(app, port=0, log_level="error", timeout_graceful_shutdown=60), leaving)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        sleep(0.01)
    yield server, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


def test_streams_of_events_end_in_order_when_the_door_closes() -> None:
    ended = threading.Event()
    with streaming(ended) as (server, address), httpx.stream("GET", f"{address}/events", timeout=30) as answer:
        parts = answer.iter_text()
        assert next(parts) == "event: job\ndata: {}\n\n"
        server.should_exit = True
        assert list(parts) == [], "httpx raises for a stream that breaks off instead of ending"
    assert ended.wait(5)


def test_a_listener_that_leaves_ends_its_stream_only() -> None:
    ended = threading.Event()
    with streaming(ended) as (server, address):
        with httpx.stream("GET", f"{address}/events", timeout=30) as answer:
            next(answer.iter_text())
        assert ended.wait(5)
        assert not server.should_exit


@contextmanager
def program(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, Path]]:
    """The front door as it is served, on nothing; gives its port and its log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    variables = {
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "PREFECT_HOME": str(folder),
        "VIDEOJOBS_GATEWAY_PORT": str(port),
        "VIDEOJOBS_GATEWAY_LOG_FORMAT": "json",
        "VIDEOJOBS_GATEWAY_ANSWER_SECONDS": "60",
    }
    log = folder / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "deployments.gateway"]
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **variables}, stderr=output)
        try:
            yield process, port, log
        finally:
            process.kill()
            process.wait()


def connected(port: int) -> socket.socket:
    """A connection, as soon as somebody listens."""
    deadline = monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=60)
        except OSError:
            assert monotonic() < deadline, "the door does not open"
            sleep(0.05)


def test_told_to_close_it_takes_nobody_new_and_lets_a_request_come_to_its_end(tmp_path: Path) -> None:
    with program(tmp_path) as (process, port, log), connected(port) as connection:
        token = "t" * 43
        head = f"POST /callbacks/sync-so/{token} HTTP/1.1\r\nHost: door\r\nContent-Length: 4\r\n\r\n{{}}"
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
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    [request] = [line for line in lines if line.get("route")]
    assert (request["route"], request["status"]) == ("/callbacks/sync-so/{token}", 503)
    assert token not in json.dumps(lines)
