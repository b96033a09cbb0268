"""Limits for connections without a token, over raw sockets, against a separate API process."""

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from subprocess import Popen
from time import monotonic, sleep
from typing import Final

import psutil
import pytest

from tests.integration.api.conftest import run_api_server
from tests.integration.api.test_graceful_shutdown import connect_when_up, run_api_process

MIB: Final = 1024**2
BYTES_SENT: Final = 30 * MIB  # of an endless request; unbounded, each attack takes several hundred MiB by then
HEALTHZ_REQUEST: Final = b"GET /healthz HTTP/1.1\r\nHost: api\r\n\r\n"
CALLBACK_HEAD: Final = b"POST /callbacks/sync-so/" + b"t" * 43 + b" HTTP/1.1\r\nHost: api\r\n"  # its body is read


@dataclass(frozen=True)
class ApiProcess:
    """An API in its own process."""

    process: Popen[bytes]
    port: int
    log_capture: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def exchange(self, *pieces: bytes) -> bytes:
        """Send these bytes, and return everything that the API sends until it closes the connection."""
        with closing(self.connect()) as connection:
            send_all(connection, *pieces)
            return read_to_end(connection)

    def is_up(self) -> bool:
        """Whether other clients get a response."""
        return b"200 OK" in self.exchange(HEALTHZ_REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    def peak_memory(self) -> int:
        """Its peak memory, in bytes."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024

    def client_ports(self) -> list[int]:
        """The client ports of its open connections."""
        return [found.raddr.port for found in psutil.Process(self.process.pid).net_connections() if found.raddr]

    def unread_bytes(self, port: int) -> int:
        """Bytes of responses in the kernel that the client at this port has not read."""
        rows = [line.split() for line in Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]]
        ends = (f":{self.port:04X}", f":{port:04X}")
        return sum(int(row[4].partition(":")[0], 16) for row in rows if (row[1][-5:], row[2][-5:]) == ends)


def send_all(connection: socket.socket, *pieces: bytes) -> None:
    """Send as much as the API accepts."""
    try:
        for piece in pieces:
            connection.sendall(piece)
    except (ConnectionError, TimeoutError):
        return


def read_to_end(connection: socket.socket) -> bytes:
    answer = b""
    try:
        while piece := connection.recv(65_536):
            answer += piece
    except ConnectionError:  # the API closes it while we still send
        return answer
    return answer


def read_healthz_responses(connection: socket.socket, times: int = 1) -> None:
    """Read this number of complete responses to `HEALTHZ_REQUEST`."""
    answer = b""
    while answer.count(b"up\n") < times:
        piece = connection.recv(65_536)
        assert piece, "the connection is closed"
        answer += piece
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == times


def repeat_to_limit(piece: bytes) -> Iterator[bytes]:
    block = piece * (65_536 // len(piece) + 1)
    return repeat(block, BYTES_SENT // len(block))


def assert_eventually(description: str, condition: Callable[[], bool]) -> None:
    deadline = monotonic() + 20
    while not condition():
        assert monotonic() < deadline, description
        sleep(0.05)


@contextmanager
def run_connectable_api(folder: Path, *, files: int | None = None, **settings: object) -> Iterator[ApiProcess]:
    with run_api_process(folder, files=files, **settings) as (process, port, log_capture):
        connect_when_up(port).close()
        yield ApiProcess(process, port, log_capture)


@pytest.fixture(scope="module")
def default_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """Its limit for open files is lower than it would like."""
    with run_connectable_api(tmp_path_factory.mktemp("usual"), files=700) as api:
        yield api


@pytest.fixture(scope="module")
def constrained_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    """Eight connections at most, and short timeouts."""
    with run_connectable_api(
        tmp_path_factory.mktemp("small"), max_connections=8, header_timeout_seconds=1, write_timeout_seconds=1
    ) as api:
        yield api


# ---- memory ------------------------------------------------------------------------------------------------

CHUNKED_HEAD: Final = CALLBACK_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("begin", "piece", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n", b"a: b\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nA: ", b"b", 431),
        (b"GET /healthz HTTP/1.1\r\n", b"a", 431),
        (b"GET /healthz HTTP/1.1\r\nA: b\r\n", b" folded\r\n", 400),
        (b"GET /healthz?", b"a&", 414),
        (b"", b"\r\n", 431),
        (b"", b"a", 400),
        (CHUNKED_HEAD + b"1\r\n \r\n0\r\n", b"a: b\r\n", 431),
        (CHUNKED_HEAD + b"1\r\n \r\n0\r\nA: ", b"b", 431),
        (CHUNKED_HEAD + b"1;a=", b"b", 431),
    ],
    ids=[
        "header lines",
        "a header line",
        "a header's name",
        "a folded header line",
        "an address",
        "empty lines",
        "a method",
        "lines behind the body",
        "a line behind the body",
        "a chunk's extension",
    ],
)
def test_endless_input_is_rejected_with_bounded_memory(
    default_api: ApiProcess, begin: bytes, piece: bytes, status: int
) -> None:
    before = default_api.peak_memory()
    answer = default_api.exchange(begin, *repeat_to_limit(piece))
    assert default_api.peak_memory() - before < 50 * MIB
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert b"\r\nConnection: close\r\n" in answer
    assert b"application/problem+json" in answer
    assert default_api.is_up()


def test_endless_pipelining_is_answered_in_order_then_cut(default_api: ApiProcess) -> None:
    before = default_api.peak_memory()
    answer = default_api.exchange(*repeat_to_limit(HEALTHZ_REQUEST))
    assert default_api.peak_memory() - before < 50 * MIB
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == answer.count(b"HTTP/1.1 ") == 9
    assert answer.lower().count(b"connection: close") <= 1, "only the last one says that it is"
    assert default_api.is_up()


def test_eight_pipelined_requests_are_all_answered(default_api: ApiProcess) -> None:
    with closing(default_api.connect()) as connection:
        for _ in range(3):
            connection.sendall(HEALTHZ_REQUEST * 8)
            read_healthz_responses(connection, times=8)


def test_garbage_after_a_request_does_not_corrupt_its_response(default_api: ApiProcess) -> None:
    answer = default_api.exchange(HEALTHZ_REQUEST + b"\0\0\0 / HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"up\n")


@pytest.mark.parametrize(
    ("lines", "status"), [(b"A: b\r\n" * 98, 200), (b"A: b\r\n" * 100, 431), (b"A: " + b"b" * 30_000 + b"\r\n", 200)]
)
def test_a_request_head_of_common_size_is_accepted(default_api: ApiProcess, lines: bytes, status: int) -> None:
    answer = default_api.exchange(b"GET /healthz HTTP/1.1\r\nHost: api\r\nConnection: close\r\n" + lines + b"\r\n")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_each_request_of_a_connection_may_have_90_headers(default_api: ApiProcess) -> None:
    with closing(default_api.connect()) as connection:
        for _ in range(5):
            connection.sendall(HEALTHZ_REQUEST.replace(b"\r\n\r\n", b"\r\n" + b"A: b\r\n" * 90 + b"\r\n"))
            read_healthz_responses(connection)


# ---- other protocols ---------------------------------------------------------------------------------------

WEBSOCKET_HEADERS: Final = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\n"
)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: api\r\n" + WEBSOCKET_HEADERS, 200),
        (b"GET /api/v1/jobs HTTP/1.1\r\nHost: api\r\n" + WEBSOCKET_HEADERS, 401),
        (b"GET /nowhere HTTP/1.1\r\nHost: api\r\n" + WEBSOCKET_HEADERS, 404),
        (b"GET /healthz HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 200),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64), 400),
        (b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
    ids=["WebSocket", "WebSocket to the API", "WebSocket to nowhere", "h2c", "HTTP/2", "a proxy", "TLS"],
)
def test_another_protocol_gets_one_response_and_a_close(default_api: ApiProcess, head: bytes, status: int) -> None:
    answer = default_api.exchange(head + HEALTHZ_REQUEST)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close\r\n" in answer.lower()
    assert "WebSocket library" not in default_api.log_capture.read_text()


# ---- time --------------------------------------------------------------------------------------------------


def test_an_unfinished_request_head_gets_a_408(constrained_api: ApiProcess) -> None:
    answer = constrained_api.exchange(b"GET /healthz HTTP/1.1\r\nA: b\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_trickling_second_request_head_gets_a_408(constrained_api: ApiProcess) -> None:
    with closing(constrained_api.connect()) as connection:
        connection.sendall(HEALTHZ_REQUEST)
        read_healthz_responses(connection)
        connection.settimeout(0.1)
        answer = b""
        for letter in chain(b"GET /healthz HTTP/1.1\r\nA: ", repeat(b"b"[0], 100)):
            send_all(connection, bytes([letter]))
            try:
                answer = connection.recv(65_536)
                break
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_closed_silently(constrained_api: ApiProcess) -> None:
    assert constrained_api.exchange(b"") == b""


def test_a_client_that_does_not_read_is_disconnected(constrained_api: ApiProcess) -> None:
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", constrained_api.port))
        ours, unread = connection.getsockname()[1], -1
        assert_eventually("it connects", lambda: ours in constrained_api.client_ports())

        def is_disconnected() -> bool:
            nonlocal unread
            if (now := constrained_api.unread_bytes(ours)) > unread:  # the kernel can buffer one more response
                unread = now
                send_all(connection, b"GET /openapi.json HTTP/1.1\r\nHost: api\r\n\r\n")
            return ours not in constrained_api.client_ports()

        assert_eventually("it is let go", is_disconnected)
        assert unread > 0


# ---- number of connections ---------------------------------------------------------------------------------


def test_the_oldest_idle_connection_is_dropped_for_a_new_one(constrained_api: ApiProcess) -> None:
    with ExitStack() as stack:
        waiting = [stack.enter_context(closing(constrained_api.connect())) for _ in range(8)]
        assert constrained_api.is_up()
        assert read_to_end(waiting[0]) == b""
        waiting[7].sendall(HEALTHZ_REQUEST)
        read_healthz_responses(waiting[7])


def test_an_active_request_is_not_dropped_for_a_new_one(constrained_api: ApiProcess) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            busy = stack.enter_context(closing(constrained_api.connect()))
            busy.sendall(CALLBACK_HEAD + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")
            assert busy.recv(65_536).startswith(b"HTTP/1.1 100 "), "its body is waited for"
        answer = constrained_api.exchange(b"").lower()
        assert answer.startswith(b"http/1.1 503 ")
        assert b"\r\nretry-after: 10\r\n" in answer
        assert b"too many connections" in answer
        busy.sendall(b" ")
        assert b"problem+json" in busy.recv(65_536), "those that are under way are answered"
    assert_eventually("there is room again", constrained_api.is_up)


def test_1500_connections_do_not_exhaust_file_descriptors(default_api: ApiProcess) -> None:
    with ExitStack() as stack:
        for _ in range(1500):
            stack.enter_context(closing(default_api.connect()))
        assert default_api.is_up()
        assert len(default_api.client_ports()) <= 188
    log_capture = default_api.log_capture.read_text()
    assert "188 connections instead of 2000" in log_capture
    assert "Too many open files" not in log_capture


async def test_an_address_has_a_connection_limit(service_variables: dict[str, str]) -> None:
    with run_api_server(service_variables, max_connections_per_address=2) as api, ExitStack() as stack:
        host, port = api.base_url.removeprefix("http://").split(":")
        for _ in range(2):
            first = stack.enter_context(closing(socket.create_connection((host, int(port)), timeout=30)))
            first.sendall(HEALTHZ_REQUEST)
            read_healthz_responses(first)
        third = stack.enter_context(closing(socket.create_connection((host, int(port)), timeout=30)))
        assert read_to_end(third).startswith(b"HTTP/1.1 429 ")
        other = stack.enter_context(closing(socket.socket()))
        other.bind(("127.0.0.2", 0))
        other.connect((host, int(port)))
        other.sendall(HEALTHZ_REQUEST)
        read_healthz_responses(other)
