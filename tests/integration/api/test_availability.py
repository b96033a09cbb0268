"""The API without its dependencies: its responses while one is unavailable, and its limits."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound

from blocks import JobDatabase
from blocks.block_cache import BlockCache
from tests.support.api_server import BrokenServices, asgi_client
from videojobs.errors import ConfigurationError, DatabaseUnavailable, RetryableError
from videojobs.providers.ghostcut.provider import GhostCutProvider

CALLBACK_PATH = f"/callbacks/ghostcut/{'x' * 43}"


def broken_client(error: Exception | None = None) -> httpx.AsyncClient:
    return asgi_client(BrokenServices(error or DatabaseUnavailable("the job database does not answer")))


async def test_healthz_is_up_while_the_dependencies_are_down() -> None:
    async with broken_client() as http:
        answer = await http.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "up\n")


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailable("postgres on db-1 does not answer"),
        RetryableError("the Prefect server did not return the block on db-1"),
        ConfigurationError("the Prefect server has no block job-database on db-1"),
        httpx.ConnectError("db-1 refused the connection"),
        ObjectNotFound(http_exc=OSError("no deployment on db-1")),
        TimeoutError("db-1"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_callback_gets_503_without_internals(error: Exception) -> None:
    async with broken_client(error) as http:
        answer = await http.post(CALLBACK_PATH, content=b"{}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "db-1" not in answer.text


async def test_a_callback_body_is_read_up_to_its_limit() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1024
            yield b"x" * 1024

    async with broken_client() as http:
        answer = await http.post(CALLBACK_PATH, content=endless())
    assert answer.status_code == 413
    assert read <= GhostCutProvider.max_callback_bytes + 2048


async def test_a_stalling_callback_body_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_API_CALLBACK_TIMEOUT_SECONDS", "0.05")

    async def stalling() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    async with broken_client() as http:
        answer = await http.post(CALLBACK_PATH, content=stalling())
    assert answer.status_code == 503


# ---- blocks ----------------------------------------------------------------------------------------------


class FakeBlockLoader:
    """Gives a new block at each load, or does not respond."""

    def __init__(self) -> None:
        self.load_count = 0
        self.error: Exception | None = None

    async def load(self, kind: type[Block], name: str) -> Block:
        self.load_count += 1
        if self.error:
            raise self.error
        return JobDatabase(url=f"postgresql://{name}-{self.load_count}")


async def load_url(blocks: BlockCache) -> str:
    return (await blocks.get(JobDatabase, "db")).url.get_secret_value()


async def test_a_block_is_cached_and_reloaded_when_stale() -> None:
    prefect = FakeBlockLoader()
    kept = BlockCache(ttl_seconds=3600, load_timeout=3, loader=prefect.load)
    assert [await load_url(kept), await load_url(kept)] == ["postgresql://db-1"] * 2
    due = BlockCache(ttl_seconds=0, load_timeout=3, loader=prefect.load)
    assert [await load_url(due), await load_url(due)] == ["postgresql://db-2", "postgresql://db-3"]


async def test_a_cached_block_is_used_while_prefect_is_down() -> None:
    prefect = FakeBlockLoader()
    blocks = BlockCache(ttl_seconds=0, load_timeout=3, loader=prefect.load)
    await load_url(blocks)
    prefect.error = RetryableError("no answer")
    assert await load_url(blocks) == "postgresql://db-1"


async def test_a_missing_block_raises_its_own_error() -> None:
    prefect = FakeBlockLoader()
    blocks = BlockCache(ttl_seconds=0, load_timeout=3, loader=prefect.load)
    prefect.error = RetryableError("no answer")
    with pytest.raises(RetryableError, match="no answer"):
        await load_url(blocks)
    prefect.error = None
    await load_url(blocks)
    prefect.error = ConfigurationError("no block db")
    with pytest.raises(ConfigurationError):
        await load_url(blocks)
