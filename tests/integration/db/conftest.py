"""A real Postgres with the migrations applied, shared by this layer."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from deployments.local.stack.stack import Stack
from deployments.server.environment import EMPTY_ENVIRONMENT
from videojobs.db import JobRepository, Lease, get_engine
from videojobs.requests.models import JobRequest
from videojobs.requests.parsing import parse_request

CreateLeasedJob = Callable[..., Awaitable[Lease]]


@pytest.fixture(scope="session")
async def database_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    data: Path = tmp_path_factory.mktemp("ledger")
    async with Stack(data=data, environment=EMPTY_ENVIRONMENT, services={"job_database"}, keep_data=False) as stack:
        yield stack.variables["DATABASE_URL"]


@pytest.fixture
async def repository(database_url: str) -> JobRepository:
    return JobRepository(get_engine(database_url))


@pytest.fixture
def job_id() -> str:
    return f"job-{uuid.uuid4()}"


def make_request(*, areas: int = 0, name: str = "A job") -> JobRequest:
    """Two segments, and the given number of areas."""
    area = {"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.1, "end": 8.3}
    return parse_request(
        {
            "video": "s3://bucket/video.mp4",
            "audio": [{"refId": "audio-1", "source": "s3://bucket/1.wav"}],
            "segments": [
                {"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1"}},
                {"startTime": 2.1, "endTime": 3.5, "audioInput": {"refId": "audio-1"}},
            ],
            "effects": [area] * areas,
            "display_name": name,
            "user_id": "ada",
        }
    )


@pytest.fixture
def create_leased_job(repository: JobRepository, job_id: str) -> CreateLeasedJob:
    """A job in the database whose lease a run holds."""

    async def create(holder: str = "run-1/1", *, areas: int = 1) -> Lease:
        await repository.create(job_id, make_request(areas=areas), actor="test")
        lease = Lease(job_id, holder)
        assert await repository.acquire_lease(lease, seconds=60) is None
        return lease

    return create
