"""Cancelling a run in Prefect stops its job, reports what was paid for, and keeps it usable."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import pytest
from prefect.states import Cancelling

from tests.acceptance.conftest import StackDriver
from videojobs.db import SubmissionState
from videojobs.errors import UnknownJob
from videojobs.states import RecoveryPoint, Stage, Status

pytestmark = pytest.mark.usefixtures("in_process_flows")


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.2)


@pytest.fixture
async def slow_vendors(driver: StackDriver) -> AsyncIterator[None]:
    """Vendors slow enough for a cancellation while they process."""
    for vendor in ("sync_so", "ghostcut"):
        await driver.update_vendor_settings(vendor, processing_seconds=3600)
    yield
    for vendor in ("sync_so", "ghostcut"):
        await driver.update_vendor_settings(vendor, processing_seconds=0.5)


async def is_accepted(driver: StackDriver, job_id: str, stage: Stage) -> bool:
    try:
        return await driver.submission_state(job_id, stage) == SubmissionState.ACCEPTED
    except UnknownJob:
        return False


async def is_cancelled(driver: StackDriver, flow_run: UUID) -> bool:
    run = await driver.prefect.read_flow_run(flow_run)
    return run.state is not None and run.state.is_cancelled()


async def test_a_cancelled_job_reuses_paid_results_when_rerun(
    driver: StackDriver, job_id: str, slow_vendors: None
) -> None:
    request = driver.make_small_request()
    run = await driver.start_run({**request, "job_id": job_id})
    await wait_until(lambda: is_accepted(driver, job_id, Stage.LIP_SYNC))
    await driver.prefect.set_flow_run_state(run.id, Cancelling())
    await wait_until(lambda: is_cancelled(driver, run.id))
    job = await driver.repository.get_job(job_id)
    assert (job.status, job.lease_holder) == (Status.CANCELLED, None)
    [generation] = await driver.vendor_submissions("sync_so", job_id)
    assert job.error_message is not None
    assert generation["id"] in job.error_message
    assert "paid for" in job.error_message
    assert [event.kind for event in await driver.repository.list_events(job_id)][-1] == "cancelled"

    for vendor in ("sync_so", "ghostcut"):
        await driver.update_vendor_settings(vendor, processing_seconds=0.5)
    job = await driver.run_in_process(request, job_id)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert (
        len(await driver.vendor_submissions("sync_so", job_id))
        == len(await driver.vendor_submissions("ghostcut", job_id))
        == 1
    )
    assert await is_cancelled(driver, run.id), "the cancelled run stays cancelled: nothing runs it again by itself"


async def test_a_cancelled_run_records_its_paid_call_before_stopping(driver: StackDriver, job_id: str) -> None:
    """GhostCut responds late, and the run is cancelled meanwhile. The response is still recorded."""
    await driver.inject_fault("ghostcut", "slow", job_id, when="after", seconds=4)
    run = await driver.start_run({**driver.make_small_request(), "job_id": job_id})

    async def is_being_sent() -> bool:
        return bool(await driver.vendor_submissions("ghostcut", job_id))

    await wait_until(is_being_sent)
    await driver.prefect.set_flow_run_state(run.id, Cancelling())
    await wait_until(lambda: is_cancelled(driver, run.id))
    job = await driver.repository.get_job(job_id)
    assert (job.status, job.recovery_point) == (Status.CANCELLED, RecoveryPoint.TEXT_REMOVAL_SUBMITTED)
    assert await driver.submission_state(job_id, Stage.TEXT_REMOVAL) == SubmissionState.ACCEPTED

    job = await driver.run_in_process(driver.make_small_request(), job_id)
    assert job.status == Status.COMPLETED
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1
