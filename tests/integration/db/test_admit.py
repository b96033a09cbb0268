"""Admission of a job against the real job database."""

from collections.abc import Mapping, Sequence

import pytest

from blocks import Connections
from tasks.admit import admit
from tests.integration.db.conftest import make_request
from videojobs.db import JobRepository, Lease
from videojobs.errors import FieldError, InvalidRequest, JobRequestConflict
from videojobs.providers import registry
from videojobs.providers.registry import providers
from videojobs.providers.sync_so.provider import SyncSoProvider
from videojobs.requests.models import AnnotationArea, JobRequest, Options, to_canonical_json
from videojobs.states import RecoveryPoint, Stage


@pytest.fixture(autouse=True)
def _connect_to_the_test_database(repository: JobRepository, monkeypatch: pytest.MonkeyPatch) -> None:
    async def open_repository(_: Connections) -> JobRepository:
        return repository

    monkeypatch.setattr(Connections, "repository", open_repository)


async def admit_with(job_id: str, names: dict[str, str], request: JobRequest | None = None) -> None:
    await admit.fn(job_id, to_canonical_json(request or make_request()), Connections.for_job(names))


async def submit_lip_sync(repository: JobRepository, job_id: str, provider: str) -> None:
    """A paid submission that the vendor has accepted."""
    lease = Lease(job_id, "run-1/1")
    await repository.acquire_lease(lease, 60)
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    intent = await repository.create_intent(lease, Stage.LIP_SYNC, lambda _: b"{}", provider=provider)
    await repository.record_accepted(
        lease, intent.submission, RecoveryPoint.LIP_SYNC_SUBMITTED, vendor_id=job_id, answer={}, metadata={}
    )


async def test_a_misspelt_connection_is_refused(repository: JobRepository, job_id: str) -> None:
    """Else the job would be charged to the default account."""
    with pytest.raises(InvalidRequest, match=r"connections\.sync_soo.*sync_so"):
        await admit_with(job_id, {"sync_soo": "another-account"})
    assert (await repository.get_job(job_id)).status == "failed"


async def test_a_continued_job_cannot_misspell_a_connection(repository: JobRepository, job_id: str) -> None:
    await admit_with(job_id, {})
    with pytest.raises(InvalidRequest, match=r"connections\.databse"):
        await admit_with(job_id, {"databse": "another"})
    assert (await repository.get_job(job_id)).status == "pending"


async def test_a_job_outlives_the_provider_that_it_names(repository: JobRepository, job_id: str) -> None:
    names = {"gone_vendor": "gone"}
    await repository.create(job_id, make_request(), actor="test", connections=names)
    await admit_with(job_id, names)
    assert (await repository.get_job(job_id)).status == "pending"


async def test_a_job_may_name_the_gone_provider_that_it_paid(repository: JobRepository, job_id: str) -> None:
    await admit_with(job_id, {})
    await submit_lip_sync(repository, job_id, "gone_vendor")
    await admit_with(job_id, {"gone_vendor": "gone"})


class StrictProvider(SyncSoProvider):
    key = "strict"

    def validate(
        self, options: Options, areas: Mapping[int, AnnotationArea], *, whole_frame: bool
    ) -> Sequence[FieldError]:
        return [FieldError("options.model", "is not offered")]


@pytest.mark.parametrize(
    "change",
    [
        ("VIDEOJOBS_LIP_SYNC_PROVIDER", "nobody"),
        ("VIDEOJOBS_LIP_SYNC_PROVIDER", "ghostcut"),
        ("VIDEOJOBS_LIP_SYNC_PROVIDER", "strict"),
        ("VIDEOJOBS_TEXT_REMOVAL_PROVIDER", "nobody"),
        ("VIDEOJOBS_LIMIT_MAX_SEGMENTS", "1"),
    ],
    ids=" ".join,
)
async def test_changed_settings_do_not_refuse_a_paid_job(
    repository: JobRepository, job_id: str, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str]
) -> None:
    request = make_request(areas=1)
    await admit_with(job_id, {}, request)
    await submit_lip_sync(repository, job_id, "sync_so")
    installed = registry.Registry({**providers(), "strict": StrictProvider()}, {})
    monkeypatch.setattr(registry, "load_registry", lambda: installed)
    monkeypatch.setenv(*change)
    await admit_with(job_id, {}, request)
    assert (await repository.get_job(job_id)).status == "processing"


async def test_an_admitted_id_still_refuses_another_request(job_id: str) -> None:
    await admit_with(job_id, {})
    with pytest.raises(JobRequestConflict):
        await admit_with(job_id, {}, make_request(name="Another"))


@pytest.mark.parametrize("stage", Stage)
async def test_a_new_job_gets_a_row_despite_a_wrong_setting(
    repository: JobRepository, job_id: str, monkeypatch: pytest.MonkeyPatch, stage: Stage
) -> None:
    """The stage fails with the reason then; without a row, nobody would see why there is no video."""
    monkeypatch.setenv(f"VIDEOJOBS_{stage.name}_PROVIDER", "nobody")
    await admit_with(job_id, {})
    assert (await repository.get_job(job_id)).status == "pending"
