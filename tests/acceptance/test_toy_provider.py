"""A vendor from another package serves a stage: it needs only its own files and a setting."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deployments.local.stack.prefect_client import prefect_client
from deployments.local.stack.stack import Stack
from deployments.server.environment import EMPTY_ENVIRONMENT
from tests.acceptance.conftest import StackDriver
from tests.support.short_clip import write_short_inputs
from tests.support.toy_vendor import ToyEmulator, run_toy_emulator, write_distribution
from videojobs.states import Stage, Status


@pytest.fixture
async def toy_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[StackDriver, ToyEmulator]]:
    """A separate stack whose worker and API have the toy vendor installed."""
    sample = write_short_inputs(tmp_path / "short")
    write_distribution(tmp_path / "site")
    with run_toy_emulator("toy-secret", sample.video.read_bytes()) as emulator:
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
        monkeypatch.setenv("VIDEOJOBS_LIP_SYNC_PROVIDER", "toy")
        monkeypatch.setenv("TOY_BASE_URL", emulator.url)
        monkeypatch.setenv("TOY_API_KEY", "toy-secret")
        started = Stack(data=tmp_path / "data", environment=EMPTY_ENVIRONMENT, processing_seconds=0.5, keep_data=False)
        async with started as stack, prefect_client(stack.variables) as prefect:
            yield StackDriver(stack, sample, sample, prefect, tmp_path), emulator


async def test_a_job_goes_through_a_vendor_of_another_package(toy_stack: tuple[StackDriver, ToyEmulator]) -> None:
    driver, toy = toy_stack
    job = await driver.wait_for_job(await driver.start_run(driver.make_small_request()))
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert job.job_metadata["toy_id"] == "toy-0"
    assert job.zhaoli_task_id is None
    submissions = await driver.repository.list_submissions(job.id)
    assert {row.stage: (row.provider, row.attempt) for row in submissions} == {
        Stage.LIP_SYNC: ("toy", 1),
        Stage.TEXT_REMOVAL: ("ghostcut", 1),
    }
    assert len(toy.jobs) == 1
    assert toy.callback_statuses == [200]
    assert await driver.vendor_submissions("sync_so", job.id) == []
    limits = {limit.name: limit.limit for limit in await driver.prefect.read_global_concurrency_limits()}
    assert limits["toy-jobs"] == 2
    assert await driver.download_result(job)
