"""The front door on nothing: what it answers while a part that it stands on is away, and how much it takes in."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from prefect.blocks.core import Block
from prefect.exceptions import ObjectNotFound

from blocks import JobDatabase
from blocks.known import KnownBlocks
from deployments.gateway.callbacks import MAX_BYTES
from tests.gateway.asgi import Broken, called
from videojobs.errors import ConfigurationError, LedgerUnavailable, Retryable

ADDRESS = f"/callbacks/ghostcut/{'x' * 43}"


def client(error: Exception | None = None) -> httpx.AsyncClient:
    return called(Broken(error or LedgerUnavailable("the job database does not answer")))


async def test_it_is_up_whatever_is_away_behind_it() -> None:
    async with client() as http:
        answer = await http.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "up\n")


@pytest.mark.parametrize(
    "error",
    [
        LedgerUnavailable("postgres on db-1 does not answer"),
        Retryable("the Prefect server did not give the block on db-1"),
        ConfigurationError("the Prefect server has no block job-database on db-1"),
        httpx.ConnectError("db-1 refused the connection"),
        ObjectNotFound(http_exc=OSError("no deployment on db-1")),
        TimeoutError("db-1"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_vendor_is_asked_to_come_again_and_told_nothing_else(error: Exception) -> None:
    async with client(error) as http:
        answer = await http.post(ADDRESS, content=b"{}")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "db-1" not in answer.text


async def test_no_more_is_read_of_a_body_than_a_callback_can_have() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1024
            yield b"x" * 1024

    async with client() as http:
        answer = await http.post(ADDRESS, content=endless())
    assert answer.status_code == 413
    assert read <= MAX_BYTES + 2048


async def test_a_body_that_never_ends_does_not_hold_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_GATEWAY_ANSWER_SECONDS", "0.05")

    async def stalling() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    async with client() as http:
        answer = await http.post(ADDRESS, content=stalling())
    assert answer.status_code == 503


# ---- blocks ----------------------------------------------------------------------------------------------


class Prefect:
    """Gives a new block for each time that it is asked, or does not answer."""

    def __init__(self) -> None:
        self.asked = 0
        self.away: Exception | None = None

    async def load(self, kind: type[Block], name: str) -> Block:
        self.asked += 1
        if self.away:
            raise self.away
        return JobDatabase(url=f"postgresql://{name}-{self.asked}")


async def url(blocks: KnownBlocks) -> str:
    return (await blocks.get(JobDatabase, "db")).url.get_secret_value()


async def test_a_block_is_asked_for_once_and_again_when_it_is_due() -> None:
    prefect = Prefect()
    kept = KnownBlocks(seconds=3600, patience=3, load=prefect.load)
    assert [await url(kept), await url(kept)] == ["postgresql://db-1"] * 2
    due = KnownBlocks(seconds=0, patience=3, load=prefect.load)
    assert [await url(due), await url(due)] == ["postgresql://db-2", "postgresql://db-3"]


async def test_while_prefect_is_away_the_last_block_known_is_used() -> None:
    prefect = Prefect()
    blocks = KnownBlocks(seconds=0, patience=3, load=prefect.load)
    await url(blocks)
    prefect.away = Retryable("no answer")
    assert await url(blocks) == "postgresql://db-1"


async def test_a_block_that_was_never_there_and_one_that_is_gone_are_said_so() -> None:
    prefect = Prefect()
    blocks = KnownBlocks(seconds=0, patience=3, load=prefect.load)
    prefect.away = Retryable("no answer")
    with pytest.raises(Retryable, match="no answer"):
        await url(blocks)
    prefect.away = None
    await url(blocks)
    prefect.away = ConfigurationError("no block db")
    with pytest.raises(ConfigurationError):
        await url(blocks)
