"""Connections without a token, over raw sockets, to the door as a process of its own: what they may take of it."""

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

from tests.gateway.conftest import open_door
from tests.gateway.test_closing import connected, program

MIB: Final = 1024**2
SENT: Final = 30 * MIB  # of what has no end; unbounded, each of the attacks takes several hundred MiB by then
HEALTHZ: Final = b"GET /healthz HTTP/1.1\r\nHost: door\r\n\r\n"
CALLBACK: Final = b"POST /callbacks/sync-so/" + b"t" * 43 + b" HTTP/1.1\r\nHost: door\r\n"  # its body is read


@dataclass(frozen=True)
class Alone:
    """The door, in a process of its own."""

    process: Popen[bytes]
    port: int
    log: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def ask(self, *pieces: bytes) -> bytes:
        """All that is answered to these bytes, until the door closes the connection."""
        with closing(self.connect()) as connection:
            send(connection, *pieces)
            return rest(connection)

    def is_up(self) -> bool:
        """Whether somebody else is answered."""
        return b"200 OK" in self.ask(HEALTHZ.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    def peak(self) -> int:
        """The most memory that it has taken, in bytes."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024

    def clients(self) -> list[int]:
        """The ports of those that it has a connection to."""
        return [found.raddr.port for found in psutil.Process(self.process.pid).net_connections() if found.raddr]

    def unread_by(self, port: int) -> int:
        """Bytes of answers that wait in the kernel for the client at this port to read."""
        rows = [line.split() for line in Path(f"/proc/{self.process.pid}/net/tcp").read_text().splitlines()[1:]]
        ends = (f":{self.port:04X}", f":{port:04X}")
        return sum(int(row[4].partition(":")[0], 16) for row in rows if (row[1][-5:], row[2][-5:]) == ends)


def send(connection: socket.socket, *pieces: bytes) -> None:
    """As much of it as the door takes."""
    try:
        for piece in pieces:
            connection.sendall(piece)
    except (ConnectionError, TimeoutError):
        return


def rest(connection: socket.socket) -> bytes:
    answer = b""
    try:
        while piece := connection.recv(65_536):
            answer += piece
    except ConnectionError:  # it is closed while we still send
        return answer
    return answer


def until_up(connection: socket.socket, times: int = 1) -> None:
    """Read so many answers to `HEALTHZ`, to their ends."""
    answer = b""
    while answer.count(b"up\n") < times:
        piece = connection.recv(65_536)
        assert piece, "the connection is closed"
        answer += piece
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == times


def endless(piece: bytes) -> Iterator[bytes]:
    block = piece * (65_536 // len(piece) + 1)
    return repeat(block, SENT // len(block))


def wait_until(description: str, condition: Callable[[], bool]) -> None:
    deadline = monotonic() + 20
    while not condition():
        assert monotonic() < deadline, description
        sleep(0.05)


@contextmanager
def alone(folder: Path, *, files: int | None = None, **settings: object) -> Iterator[Alone]:
    with program(folder, files=files, **settings) as (process, port, log):
        connected(port).close()
        yield Alone(process, port, log)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """That may open fewer files than it would like to."""
    with alone(tmp_path_factory.mktemp("usual"), files=700) as door:
        yield door


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """Of eight connections, and with little patience."""
    with alone(tmp_path_factory.mktemp("small"), connections=8, head_seconds=1, unread_seconds=1) as door:
        yield door


# ---- memory ------------------------------------------------------------------------------------------------

CHUNKED: Final = CALLBACK + b"Transfer-Encoding: chunked\r\n\r\n"


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
        (CHUNKED + b"1\r\n \r\n0\r\n", b"a: b\r\n", 431),
        (CHUNKED + b"1\r\n \r\n0\r\nA: ", b"b", 431),
        (CHUNKED + b"1;a=", b"b", 431),
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
def test_what_has_no_end_is_refused_and_takes_no_memory(usual: Alone, begin: bytes, piece: bytes, status: int) -> None:
    before = usual.peak()
    answer = usual.ask(begin, *endless(piece))
    assert usual.peak() - before < 50 * MIB
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert b"\r\nConnection: close\r\n" in answer
    assert b"application/problem+json" in answer
    assert usual.is_up()


def test_requests_that_do_not_wait_for_their_answers_are_answered_in_order_and_cut_off(usual: Alone) -> None:
    before = usual.peak()
    answer = usual.ask(*endless(HEALTHZ))
    assert usual.peak() - before < 50 * MIB
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == answer.count(b"HTTP/1.1 ") == 9
    assert answer.lower().count(b"connection: close") <= 1, "only the last one says that it is"
    assert usual.is_up()


def test_a_few_of_them_are_all_answered(usual: Alone) -> None:
    with closing(usual.connect()) as connection:
        for _ in range(3):
            connection.sendall(HEALTHZ * 8)
            until_up(connection, times=8)


def test_what_is_no_http_behind_a_request_does_not_stand_in_the_midst_of_its_answer(usual: Alone) -> None:
    answer = usual.ask(HEALTHZ + b"\0\0\0 / HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"up\n")


@pytest.mark.parametrize(
    ("lines", "status"), [(b"A: b\r\n" * 98, 200), (b"A: b\r\n" * 100, 431), (b"A: " + b"b" * 30_000 + b"\r\n", 200)]
)
def test_a_head_of_common_size_is_taken(usual: Alone, lines: bytes, status: int) -> None:
    answer = usual.ask(b"GET /healthz HTTP/1.1\r\nHost: door\r\nConnection: close\r\n" + lines + b"\r\n")
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_every_request_of_a_connection_has_as_many_header_lines(usual: Alone) -> None:
    with closing(usual.connect()) as connection:
        for _ in range(5):
            connection.sendall(HEALTHZ.replace(b"\r\n\r\n", b"\r\n" + b"A: b\r\n" * 90 + b"\r\n"))
            until_up(connection)


# ---- other protocols ---------------------------------------------------------------------------------------

WEBSOCKET: Final = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAA\r\n\r\n"
)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: door\r\n" + WEBSOCKET, 200),
        (b"GET /api/v1/jobs HTTP/1.1\r\nHost: door\r\n" + WEBSOCKET, 401),
        (b"GET /nowhere HTTP/1.1\r\nHost: door\r\n" + WEBSOCKET, 404),
        (b"GET /healthz HTTP/1.1\r\nHost: door\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", 200),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(64), 400),
        (b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
    ids=["WebSocket", "WebSocket to the API", "WebSocket to nowhere", "h2c", "HTTP/2", "a proxy", "TLS"],
)
def test_another_protocol_gets_a_usual_answer_and_nothing_behind_it_is_read(
    usual: Alone, head: bytes, status: int
) -> None:
    answer = usual.ask(head + HEALTHZ)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert answer.count(b"HTTP/1.1 ") == 1
    assert b"\r\nconnection: close\r\n" in answer.lower()
    assert "WebSocket library" not in usual.log.read_text()


# ---- time --------------------------------------------------------------------------------------------------


def test_a_head_that_does_not_come_to_its_end_is_ended(small: Alone) -> None:
    answer = small.ask(b"GET /healthz HTTP/1.1\r\nA: b\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_so_is_the_second_one_of_a_connection_however_it_trickles(small: Alone) -> None:
    with closing(small.connect()) as connection:
        connection.sendall(HEALTHZ)
        until_up(connection)
        connection.settimeout(0.1)
        answer = b""
        for letter in chain(b"GET /healthz HTTP/1.1\r\nA: ", repeat(b"b"[0], 100)):
            send(connection, bytes([letter]))
            try:
                answer = connection.recv(65_536)
                break
            except TimeoutError:
                continue
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_connection_without_a_request_is_closed_without_a_word(small: Alone) -> None:
    assert small.ask(b"") == b""


def test_who_does_not_read_the_answers_is_let_go(small: Alone) -> None:
    with closing(socket.socket()) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", small.port))
        ours, unread = connection.getsockname()[1], -1
        wait_until("it connects", lambda: ours in small.clients())

        def is_let_go() -> bool:
            nonlocal unread
            if (now := small.unread_by(ours)) > unread:  # there is room for one more answer in the kernel
                unread = now
                send(connection, b"GET /openapi.json HTTP/1.1\r\nHost: door\r\n\r\n")
            return ours not in small.clients()

        wait_until("it is let go", is_let_go)
        assert unread > 0


# ---- how many there are ------------------------------------------------------------------------------------


def test_of_connections_without_a_request_the_oldest_makes_room(small: Alone) -> None:
    with ExitStack() as stack:
        waiting = [stack.enter_context(closing(small.connect())) for _ in range(8)]
        assert small.is_up()
        assert rest(waiting[0]) == b""
        waiting[7].sendall(HEALTHZ)
        until_up(waiting[7])


def test_a_request_that_is_under_way_does_not_make_room(small: Alone) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            busy = stack.enter_context(closing(small.connect()))
            busy.sendall(CALLBACK + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\n")
            assert busy.recv(65_536).startswith(b"HTTP/1.1 100 "), "its body is waited for"
        answer = small.ask(b"").lower()
        assert answer.startswith(b"http/1.1 503 ")
        assert b"\r\nretry-after: 10\r\n" in answer
        assert b"too many connections" in answer
        busy.sendall(b" ")
        assert b"problem+json" in busy.recv(65_536), "those that are under way are answered"
    wait_until("there is room again", small.is_up)


def test_more_connections_than_files_do_no_harm(usual: Alone) -> None:
    with ExitStack() as stack:
        for _ in range(1500):
            stack.enter_context(closing(usual.connect()))
        assert usual.is_up()
        assert len(usual.clients()) <= 188
    log = usual.log.read_text()
    assert "188 connections instead of 2000" in log
    assert "Too many open files" not in log


async def test_an_address_has_no_more_than_its_share(ground_variables: dict[str, str]) -> None:
    with open_door(ground_variables, connections_each=2) as door, ExitStack() as stack:
        host, port = door.address.removeprefix("http://").split(":")
        for _ in range(2):
            first = stack.enter_context(closing(socket.create_connection((host, int(port)), timeout=30)))
            first.sendall(HEALTHZ)
            until_up(first)
        third = stack.enter_context(closing(socket.create_connection((host, int(port)), timeout=30)))
        assert rest(third).startswith(b"HTTP/1.1 429 ")
        other = stack.enter_context(closing(socket.socket()))
        other.bind(("127.0.0.2", 0))
        other.connect((host, int(port)))
        other.sendall(HEALTHZ)
        until_up(other)
