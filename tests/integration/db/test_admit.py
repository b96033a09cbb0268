"""Admission of a job against the real job database."""

import uuid

import pytest

from blocks import Connections
from tasks.admit import admit
from tests.integration.db.conftest import make_request
from videojobs.db import JobRepository
from videojobs.errors import InvalidRequest
from videojobs.requests.models import to_canonical_json


@pytest.fixture(autouse=True)
def _connect_to_the_test_database(repository: JobRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_repository(_: Connections) -> JobRepository:
        return repository

    monkeypatch.setattr(Connections, "repository", open_repository)


async def test_a_misspelt_connection_is_refused(repository: JobRepository) -> None:
    """Else the job would be charged to the default account."""
    job_id = str(uuid.uuid4())
    misspelt = Connections.model_validate({"sync_soo": "another-account"})
    with pytest.raises(InvalidRequest, match=r"connections\.sync_soo.*sync_so"):
        await admit.fn(job_id, to_canonical_json(make_request()), misspelt)
    assert (await repository.get_job(job_id)).status == "failed"


async def test_a_job_outlives_the_provider_that_it_names(repository: JobRepository) -> None:
    job_id = str(uuid.uuid4())
    request = to_canonical_json(make_request())
    await admit.fn(job_id, request, Connections())
    await admit.fn(job_id, request, Connections.model_validate({"gone_vendor": "gone"}))
    assert (await repository.get_job(job_id)).status == "pending"
