"""Links that are slow on purpose: each times out, and none delays other transfers. Over real connections.

The server would continue forever; the timeouts are a fifth of a second here, and half a minute by default.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Final

import pytest

from tests.support.website import CONTENT, TRICKLE_RESPONSES, Website, run_website
from videojobs.errors import TransferInterrupted
from videojobs.media.ingest import fetch_to_temp, stream_url_to_store
from videojobs.media.url_policy import UrlPolicy
from videojobs.storage.object_store import ObjectStore

LOCAL_POLICY = UrlPolicy(allow_private=True, allow_http=True)  # the servers run on this machine
TRANSFER_COUNT: Final = 40  # more than there are threads for inputs
PROMPT_SECONDS: Final = 2.0  # seconds, on a busy machine; all production timeouts are longer


@pytest.fixture
def slow_site() -> Iterator[Website]:
    with run_website() as site:
        yield site


@pytest.fixture
def short_rate_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_LINK_WINDOW_SECONDS", "0.2")


@pytest.fixture
def unresponsive_address() -> Iterator[str]:
    """An address that accepts no connections: its queue is full."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for queued in (first, second):
            queued.setblocking(False)
            queued.connect_ex(server.getsockname())
        yield address(server)


@pytest.fixture
def silent_server() -> Iterator[socket.socket]:
    """A server that accepts connections and sends nothing, so that TLS never starts."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(128)
        yield server


def address(server: socket.socket) -> str:
    return f"127.0.0.1:{server.getsockname()[1]}"


async def fetch(url: str) -> bytes:
    async with fetch_to_temp(url, policy=LOCAL_POLICY) as path:
        return path.read_bytes()


@asynccontextmanager
async def concurrent_fetches(url: str) -> AsyncIterator[list[asyncio.Task[bytes]]]:
    """Many transfers from one link, cancelled at the end."""
    tasks = [asyncio.create_task(fetch(url)) for _ in range(TRANSFER_COUNT)]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.usefixtures("short_rate_window")
@pytest.mark.parametrize("page", TRICKLE_RESPONSES)
async def test_a_trickling_link_is_aborted_with_its_rate_not_its_url(slow_site: Website, page: str) -> None:
    with pytest.raises(
        TransferInterrupted, match=r"link was too slow: \d+\.\d kB a second over \d+ s, and 32 kB"
    ) as told:
        await fetch(slow_site.url(f"{page}?signature=secret"))
    assert "secret" not in str(told.value)
    assert "127.0.0.1" not in str(told.value)


async def test_a_slow_link_above_the_minimum_rate_is_downloaded(
    slow_site: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The megabyte arrives over many windows of 20 ms, each of which has to be checked."""
    monkeypatch.setenv("VIDEOJOBS_LINK_WINDOW_SECONDS", "0.02")
    monkeypatch.setenv("VIDEOJOBS_LINK_MIN_BYTES_PER_SECOND", "1")
    assert await fetch(slow_site.url("steady")) == CONTENT


async def test_redirects_share_one_deadline(slow_site: Website, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the five takes a tenth of a second."""
    monkeypatch.setenv("VIDEOJOBS_LINK_BASE_SECONDS", "0.3")
    monkeypatch.setenv("VIDEOJOBS_LINK_USUAL_BYTES_PER_SECOND", "1e12")
    with pytest.raises(TransferInterrupted, match="link was too slow: the transfer took more than"):
        async with fetch_to_temp(slow_site.url("lane?4"), policy=LOCAL_POLICY, max_bytes=len(CONTENT)):
            pass


async def test_the_deadline_grows_with_the_maximum_file_size(
    slow_site: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_LINK_BASE_SECONDS", "0.1")
    monkeypatch.setenv("VIDEOJOBS_LINK_USUAL_BYTES_PER_SECOND", str(len(CONTENT)))
    async with fetch_to_temp(slow_site.url("lane?3"), policy=LOCAL_POLICY, max_bytes=20 * len(CONTENT)) as path:
        assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("page", TRICKLE_RESPONSES)
async def test_a_cancelled_transfer_frees_its_connection_and_thread(slow_site: Website, page: str) -> None:
    async with concurrent_fetches(slow_site.url(page)):
        await asyncio.to_thread(slow_site.dripping.wait, 32, 10)  # all threads for inputs
    begun = monotonic()
    assert await fetch(slow_site.url("file")) == CONTENT
    assert await asyncio.to_thread(slow_site.dripping.wait, 0, PROMPT_SECONDS)
    assert monotonic() - begun < PROMPT_SECONDS


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_transfer_cancelled_while_connecting_frees_its_thread(
    slow_site: Website, unresponsive_address: str, silent_server: socket.socket, scheme: str
) -> None:
    where = unresponsive_address if scheme == "http" else address(silent_server)
    async with concurrent_fetches(f"{scheme}://{where}/") as tasks:
        await asyncio.wait(tasks, timeout=0.3)  # no event shows that a connection attempt is in progress
    begun = monotonic()
    assert await fetch(slow_site.url("file")) == CONTENT
    assert monotonic() - begun < PROMPT_SECONDS


async def test_slow_client_links_do_not_delay_results(slow_site: Website, store: ObjectStore) -> None:
    async with concurrent_fetches(slow_site.url("drip")) as tasks:
        assert await asyncio.to_thread(slow_site.dripping.wait, 32, 10)  # all threads for inputs, and the others wait
        async with asyncio.timeout(10 * PROMPT_SECONDS):
            await stream_url_to_store(
                slow_site.url("file"), store, "result.mp4", content_type="video/mp4", policy=LOCAL_POLICY
            )
        assert not any(task.done() for task in tasks)
    assert store.open("result.mp4").read() == CONTENT


async def test_an_unaccepted_connection_times_out(unresponsive_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_LINK_CONNECT_SECONDS", "0.1")
    with pytest.raises(TransferInterrupted, match="ConnectTimeout"):
        await fetch(f"http://{unresponsive_address}/")


async def test_a_silent_tls_server_times_out_and_is_disconnected(
    silent_server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_LINK_CONNECT_SECONDS", "0.1")
    with pytest.raises(TransferInterrupted, match="ConnectTimeout") as told:
        await fetch(f"https://{address(silent_server)}/")
    connection, _ = silent_server.accept()
    with connection, connection.makefile("rb") as sent:
        connection.settimeout(PROMPT_SECONDS)
        assert sent.read()  # up to the end: the ClientHello, and then the connection is closed
    assert told.value  # keeps the exception's traceback, and with it the objects in its frames, alive
