"""A request that comes twice with one key is one job, also where both come at the same instant."""

import asyncio
import uuid

import pytest

from tests.ledger.conftest import a_request
from videojobs.errors import RequestMismatch
from videojobs.ledger import ClientKey, Ledger


@pytest.fixture
def key() -> ClientKey:
    return ClientKey(f"order-{uuid.uuid4()}", "fingerprint")


async def opened(ledger: Ledger, key: ClientKey | None, *, user_id: str = "ada", job_id: str | None = None) -> str:
    request = a_request().model_copy(update={"user_id": user_id})
    return (await ledger.open(job_id or f"job-{uuid.uuid4()}", request, actor="test", key=key)).id


async def test_the_second_request_with_a_key_gets_the_first_job(ledger: Ledger, key: ClientKey) -> None:
    first = await opened(ledger, key)
    assert await opened(ledger, key) == first
    assert [event.kind for event in await ledger.events(first)] == ["opened"]


async def test_twenty_requests_with_a_key_at_the_same_instant_are_one_job(ledger: Ledger, key: ClientKey) -> None:
    assert len(set(await asyncio.gather(*(opened(ledger, key) for _ in range(20))))) == 1


async def test_a_key_with_another_request_is_refused(ledger: Ledger, key: ClientKey) -> None:
    await opened(ledger, key)
    with pytest.raises(RequestMismatch, match="another request"):
        await opened(ledger, ClientKey(key.value, "another"))


async def test_a_key_is_its_users_own(ledger: Ledger, key: ClientKey) -> None:
    assert await opened(ledger, key) != await opened(ledger, key, user_id="grace")


async def test_without_a_key_each_request_is_a_job(ledger: Ledger) -> None:
    assert await opened(ledger, None) != await opened(ledger, None)


async def test_the_run_that_admits_the_job_again_finds_it(ledger: Ledger, key: ClientKey) -> None:
    first = await opened(ledger, key)
    assert await opened(ledger, None, job_id=first) == first
