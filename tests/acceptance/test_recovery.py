"""A job survives the failures of its runs: many jobs at once, repeated crashes, lost vendor ids."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from tests.acceptance.conftest import StackDriver
from videojobs.db import Lease, SubmissionState, get_engine
from videojobs.requests.parsing import parse_request
from videojobs.settings import AccessSettings, TimingSettings
from videojobs.states import RecoveryPoint, Stage, Status

pytestmark = pytest.mark.usefixtures("in_process_flows")

LOSE_VENDOR_ID_SQL = """
    UPDATE video_jobs SET zhaoli_task_id = NULL,
        job_metadata = job_metadata - 'ghostcut_task_id' - 'ghostcut_project_id' - 'sync_generation_id'
    WHERE id = :id
"""
LOSE_RESPONSE_SQL = """
    UPDATE video_submissions SET state = 'intended', vendor_id = NULL, vendor_batch_id = NULL, vendor_answer = NULL,
        accepted_at = NULL WHERE job_id = :id AND stage = :stage
"""
RESET_POINT_SQL = "UPDATE video_jobs SET recovery_point = :point WHERE id = :id"


async def execute_sql(driver: StackDriver, statement: str, **values: str) -> None:
    async with get_engine(driver.stack.variables["DATABASE_URL"]).begin() as connection:
        await connection.execute(text(statement), values)


@pytest.fixture
async def slow_vendors(driver: StackDriver) -> AsyncIterator[None]:
    for vendor in ("sync_so", "ghostcut"):
        await driver.update_vendor_settings(vendor, processing_seconds=2)
    yield
    for vendor in ("sync_so", "ghostcut"):
        await driver.update_vendor_settings(vendor, processing_seconds=0.5)


async def crash_after_acceptance(driver: StackDriver, job_id: str, stage: Stage) -> None:
    """Run the job until the vendor has accepted the stage, then end the run as if its process had died."""
    working = asyncio.create_task(driver.run_to_state(driver.make_small_request(), job_id))
    while (await driver.submission_state(job_id, stage)) != SubmissionState.ACCEPTED:
        assert not working.done(), "the job ended before it could be killed"
        await asyncio.sleep(0.02)
    working.cancel()
    await asyncio.wait([working])


async def test_of_ten_concurrent_runs_nine_are_skipped(driver: StackDriver, job_id: str) -> None:
    states = await asyncio.gather(
        *(driver.run_to_state(driver.make_small_request(areas=False), job_id) for _ in range(10))
    )
    aside = [state for state in states if state.name == "Skipped"]
    assert (len(aside), sum(state.name == "Completed" for state in states)) == (9, 1)
    holder = next(
        event.actor for event in await driver.repository.list_events(job_id) if event.kind == "lease_acquired"
    ).split("/")[0]
    assert all(f"flow run {holder} is working on job {job_id}" in str(state.message) for state in aside)
    assert len(await driver.vendor_submissions("sync_so", job_id)) == 1


@pytest.mark.parametrize("stage", list(Stage))
async def test_an_unsaved_vendor_id_causes_no_second_purchase(
    driver: StackDriver, job_id: str, stage: Stage, slow_vendors: None
) -> None:
    """The old system found no id in its JSON, and submitted again every minute."""
    await crash_after_acceptance(driver, job_id, stage)
    await execute_sql(driver, LOSE_VENDOR_ID_SQL, id=job_id)
    job = await driver.run_in_process(driver.make_small_request(), job_id)
    assert job.status == Status.COMPLETED
    assert (
        len(await driver.vendor_submissions("sync_so", job_id))
        == len(await driver.vendor_submissions("ghostcut", job_id))
        == 1
    )


@pytest.mark.parametrize(
    ("stage", "before"), [(Stage.LIP_SYNC, RecoveryPoint.UPLOADED), (Stage.TEXT_REMOVAL, RecoveryPoint.LIP_SYNC_STORED)]
)
async def test_a_submission_that_lost_its_id_is_paid_once(
    driver: StackDriver, job_id: str, stage: Stage, before: RecoveryPoint, slow_vendors: None
) -> None:
    await driver.inject_fault("ghostcut", "callback", job_id, effect="drop", times=9)  # it would name the work
    await crash_after_acceptance(driver, job_id, stage)
    await execute_sql(driver, LOSE_RESPONSE_SQL, id=job_id, stage=stage)
    await execute_sql(driver, RESET_POINT_SQL, id=job_id, point=before)
    job = await driver.run_in_process(driver.make_small_request(), job_id)
    assert job.status == Status.COMPLETED  # by the same key and bytes; by the list of works
    assert len(await driver.vendor_submissions("sync_so", job_id)) == 1
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1


async def test_a_job_that_keeps_crashing_is_parked_with_its_history(driver: StackDriver, job_id: str) -> None:
    request = parse_request(driver.make_small_request(areas=False), access=AccessSettings(allow_local_files=True))
    await driver.repository.create(job_id, request, actor="test")
    attempts = TimingSettings().recovery_attempts
    for number in range(attempts):
        assert await driver.repository.acquire_lease(Lease(job_id, f"dead-{number}/1"), 0.001) is None
        await asyncio.sleep(0.002)  # the lease lives that long
    state = await driver.run_to_state(driver.make_small_request(areas=False), job_id)
    assert state.name == "Parked"
    job = await driver.repository.get_job(job_id)
    assert f"{attempts} runs in a row" in str(job.parked_reason)
    parked = (await driver.repository.list_events(job_id))[-1]
    assert parked.detail is not None
    assert [entry["run"] for entry in parked.detail["history"]][:attempts] == [
        f"dead-{number}/1" for number in range(attempts)
    ]
    assert await driver.vendor_submissions("sync_so", job_id) == []


async def test_clean_exits_do_not_count_as_recovery_attempts(driver: StackDriver, job_id: str) -> None:
    request = parse_request(driver.make_small_request(areas=False), access=AccessSettings(allow_local_files=True))
    await driver.repository.create(job_id, request, actor="test")
    for number in range(TimingSettings().recovery_attempts + 1):
        lease = Lease(job_id, f"run-{number}/1")
        await driver.repository.acquire_lease(lease, 60)
        await driver.repository.release_lease(lease)
    assert (await driver.run_in_process(driver.make_small_request(areas=False), job_id)).status == Status.COMPLETED


async def test_an_old_unknown_outcome_is_resolved_by_the_list(
    driver: StackDriver, job_id: str, slow_vendors: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await crash_after_acceptance(driver, job_id, Stage.LIP_SYNC)
    await execute_sql(driver, LOSE_RESPONSE_SQL, id=job_id, stage=Stage.LIP_SYNC)
    await execute_sql(driver, RESET_POINT_SQL, id=job_id, point=RecoveryPoint.UPLOADED)
    monkeypatch.setenv("VIDEOJOBS_IDEMPOTENT_RETRY_HOURS", "0")
    job = await driver.run_in_process(driver.make_small_request(), job_id)
    assert job.status == Status.COMPLETED
    [generation] = await driver.vendor_submissions("sync_so", job_id)
    assert generation["replays"] == 0
