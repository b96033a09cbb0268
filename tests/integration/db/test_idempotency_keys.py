"""Two requests with one key create one job, also if both arrive at the same instant."""

import asyncio
import uuid

import pytest

from tests.integration.db.conftest import make_request
from videojobs.db import ClientKey, JobRepository
from videojobs.errors import JobRequestConflict


@pytest.fixture
def client_key() -> ClientKey:
    return ClientKey(f"order-{uuid.uuid4()}", "fingerprint")


async def create_job(
    repository: JobRepository, client_key: ClientKey | None, *, user_id: str = "ada", job_id: str | None = None
) -> str:
    request = make_request().model_copy(update={"user_id": user_id})
    return (await repository.create(job_id or f"job-{uuid.uuid4()}", request, actor="test", client_key=client_key)).id


async def test_the_second_request_with_a_key_gets_the_first_job(
    repository: JobRepository, client_key: ClientKey
) -> None:
    first = await create_job(repository, client_key)
    assert await create_job(repository, client_key) == first
    assert [event.kind for event in await repository.list_events(first)] == ["opened"]


async def test_twenty_parallel_requests_with_one_key_make_one_job(
    repository: JobRepository, client_key: ClientKey
) -> None:
    assert len(set(await asyncio.gather(*(create_job(repository, client_key) for _ in range(20))))) == 1


async def test_a_key_with_another_request_is_refused(repository: JobRepository, client_key: ClientKey) -> None:
    await create_job(repository, client_key)
    with pytest.raises(JobRequestConflict, match="another request"):
        await create_job(repository, ClientKey(client_key.value, "another"))


async def test_a_key_is_its_users_own(repository: JobRepository, client_key: ClientKey) -> None:
    assert await create_job(repository, client_key) != await create_job(repository, client_key, user_id="grace")


async def test_without_a_key_each_request_is_a_job(repository: JobRepository) -> None:
    assert await create_job(repository, None) != await create_job(repository, None)


async def test_a_second_run_finds_the_admitted_job(repository: JobRepository, client_key: ClientKey) -> None:
    first = await create_job(repository, client_key)
    assert await create_job(repository, None, job_id=first) == first
