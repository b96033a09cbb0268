"""Links that are slow on purpose: each is given up, and none holds anything up for anybody else. Over real connections.

What the server does for ever is given up by us within a fifth of a second here; by default, within half a minute.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

import pytest

from tests.media.website import CONTENT, DRIPS, Website, serving
from videojobs.errors import TransferInterrupted
from videojobs.media.reach import Reach
from videojobs.media.sources import copy_url_to_store, fetched
from videojobs.media.store import ObjectStore

NEAR = Reach(private=True, plain_http=True)  # the servers are on this machine
CROWD: Final = 40  # transfers: more than there are threads for inputs
AT_ONCE: Final = 2.0  # seconds, on a busy machine; no patience of ours is as short


@pytest.fixture
def slow() -> Iterator[Website]:
    with serving() as site:
        yield site


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_LINK_WINDOW_SECONDS", "0.2")


@pytest.fixture
def deaf() -> Iterator[str]:
    """An address where nobody accepts connections: its queue is full."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for queued in (first, second):
            queued.setblocking(False)
            queued.connect_ex(server.getsockname())
        yield address(server)


@pytest.fixture
def mute() -> Iterator[socket.socket]:
    """A server that accepts connections and says nothing, so that TLS never begins."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(128)
        yield server


def address(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


async def fetch(url: str) -> bytes:
    async with fetched(url, reach=NEAR) as path:
        return path.read_bytes()


@asynccontextmanager
async def many(url: str) -> AsyncIterator[list[asyncio.Task[bytes]]]:
    """A crowd of transfers from one link, cancelled in the end."""
    tasks = [asyncio.create_task(fetch(url)) for _ in range(CROWD)]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("page", DRIPS)
async def test_a_link_that_drips_is_given_up_and_told_its_rate_but_not_its_address(slow: Website, page: str) -> None:
    with pytest.raises(
        TransferInterrupted, match=r"link was too slow: \d+\.\d kB a second over \d+ s, and 32 kB"
    ) as told:
        await fetch(slow.url(f"{page}?signature=secret"))
    assert "secret" not in str(told.value)
    assert "127.0.0.1" not in str(told.value)


async def test_a_slow_link_that_keeps_up_the_least_rate_is_taken(
    slow: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The megabyte comes when the server likes, over many windows: of 20 ms, so that each has to be judged."""
    monkeypatch.setenv("VIDEOJOBS_LINK_WINDOW_SECONDS", "0.02")
    monkeypatch.setenv("VIDEOJOBS_LINK_MIN_BYTES_PER_SECOND", "1")
    assert await fetch(slow.url("steady")) == CONTENT


async def test_redirects_share_one_deadline(slow: Website, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the five takes a tenth of a second."""
    monkeypatch.setenv("VIDEOJOBS_LINK_BASE_SECONDS", "0.3")
    monkeypatch.setenv("VIDEOJOBS_LINK_USUAL_BYTES_PER_SECOND", "1e12")
    with pytest.raises(TransferInterrupted, match="link was too slow: the transfer took more than"):
        async with fetched(slow.url("lane?4"), reach=NEAR, max_bytes=len(CONTENT)):
            pass


async def test_the_deadline_grows_with_the_largest_file_that_is_taken(
    slow: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_LINK_BASE_SECONDS", "0.1")
    monkeypatch.setenv("VIDEOJOBS_LINK_USUAL_BYTES_PER_SECOND", str(len(CONTENT)))
    async with fetched(slow.url("lane?3"), reach=NEAR, max_bytes=20 * len(CONTENT)) as path:
        assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("page", DRIPS)
async def test_a_cancelled_transfer_closes_its_connection_and_leaves_its_thread_to_the_next(
    slow: Website, page: str
) -> None:
    async with many(slow.url(page)):
        await asyncio.to_thread(slow.dripping.wait, 32, 10)  # all threads for inputs
    begun = monotonic()
    assert await fetch(slow.url("file")) == CONTENT
    assert await asyncio.to_thread(slow.dripping.wait, 0, AT_ONCE)
    assert monotonic() - begun < AT_ONCE


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_transfer_that_is_cancelled_while_it_connects_leaves_its_thread_to_the_next(
    slow: Website, deaf: str, mute: socket.socket, scheme: str
) -> None:
    where = deaf if scheme == "http" else address(mute)
    async with many(f"{scheme}://{where}/") as tasks:
        await asyncio.wait(tasks, timeout=0.3)  # nothing tells when a connection is being made
    begun = monotonic()
    assert await fetch(slow.url("file")) == CONTENT
    assert monotonic() - begun < AT_ONCE


async def test_slow_links_of_clients_hold_up_no_result(slow: Website, store: ObjectStore) -> None:
    async with many(slow.url("drip")) as tasks:
        assert await asyncio.to_thread(slow.dripping.wait, 32, 10)  # all threads for inputs, and the others wait
        async with asyncio.timeout(10 * AT_ONCE):
            await copy_url_to_store(slow.url("file"), store, "result.mp4", content_type="video/mp4", reach=NEAR)
        assert not any(task.done() for task in tasks)
    assert store.open("result.mp4").read() == CONTENT


async def test_where_nobody_accepts_the_connection_it_is_given_up(deaf: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_LINK_CONNECT_SECONDS", "0.1")
    with pytest.raises(TransferInterrupted, match="ConnectTimeout"):
        await fetch(f"http://{deaf}/")


async def test_where_tls_never_begins_it_is_given_up_and_the_connection_closed(
    mute: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_LINK_CONNECT_SECONDS", "0.1")
    with pytest.raises(TransferInterrupted, match="ConnectTimeout") as told:
        await fetch(f"https://{address(mute)}/")
    connection, _ = mute.accept()
    with connection, connection.makefile("rb") as sent:
        connection.settimeout(AT_ONCE)
        assert sent.read()  # up to the end: the greeting, and then it is closed
    assert told.value  # which holds all that took part in it
