"""Cancelling a run in Prefect stops its job, says what is paid for, and wastes nothing of it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import pytest
from prefect.states import Cancelling

from tests.stack.conftest import Desk
from videojobs.ledger import SubmissionState, UnknownJob
from videojobs.states import Point, Stage, Status

pytestmark = pytest.mark.usefixtures("here")


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while True:
            if await condition():
                return
            await asyncio.sleep(0.2)


@pytest.fixture
async def slow_vendors(desk: Desk) -> AsyncIterator[None]:
    """Vendors that take long enough to be cancelled while they work."""
    for vendor in ("sync_so", "ghostcut"):
        await desk.settings(vendor, processing_seconds=3600)
    yield
    for vendor in ("sync_so", "ghostcut"):
        await desk.settings(vendor, processing_seconds=0.5)


async def at(desk: Desk, job_id: str, stage: Stage) -> bool:
    try:
        return await desk.submission(job_id, stage) == SubmissionState.ACCEPTED
    except UnknownJob:
        return False


async def cancelled(desk: Desk, flow_run: UUID) -> bool:
    run = await desk.prefect.read_flow_run(flow_run)
    return run.state is not None and run.state.is_cancelled()


async def test_a_cancelled_job_says_what_is_paid_for_and_a_later_run_takes_what_the_vendor_has_finished(
    desk: Desk, job_id: str, slow_vendors: None
) -> None:
    request = desk.small()
    run = await desk.start({**request, "job_id": job_id})
    await until(lambda: at(desk, job_id, Stage.LIP_SYNC))
    await desk.prefect.set_flow_run_state(run.id, Cancelling())
    await until(lambda: cancelled(desk, run.id))
    job = await desk.ledger.job(job_id)
    assert (job.status, job.lease_holder) == (Status.CANCELLED, None)
    [generation] = await desk.paid("sync_so", job_id)
    assert job.error_message is not None
    assert generation["id"] in job.error_message
    assert "paid for" in job.error_message
    assert [event.kind for event in await desk.ledger.events(job_id)][-1] == "cancelled"

    for vendor in ("sync_so", "ghostcut"):
        await desk.settings(vendor, processing_seconds=0.5)
    job = await desk.run_here(request, job_id)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert len(await desk.paid("sync_so", job_id)) == len(await desk.paid("ghostcut", job_id)) == 1
    assert await cancelled(desk, run.id), "the cancelled run stays cancelled: nothing runs it again by itself"


async def test_a_paid_call_that_is_under_way_comes_to_its_end_before_its_cancelled_run_stops(
    desk: Desk, job_id: str
) -> None:
    """GhostCut answers late; the run is cancelled meanwhile. Its answer still gets onto the books."""
    await desk.fault("ghostcut", "slow", job_id, when="after", seconds=4)
    run = await desk.start({**desk.small(), "job_id": job_id})

    async def being_sent() -> bool:
        return bool(await desk.paid("ghostcut", job_id))

    await until(being_sent)
    await desk.prefect.set_flow_run_state(run.id, Cancelling())
    await until(lambda: cancelled(desk, run.id))
    job = await desk.ledger.job(job_id)
    assert (job.status, job.point) == (Status.CANCELLED, Point.TEXT_REMOVAL_SUBMITTED)
    assert await desk.submission(job_id, Stage.TEXT_REMOVAL) == SubmissionState.ACCEPTED

    job = await desk.run_here(desk.small(), job_id)
    assert job.status == Status.COMPLETED
    assert len(await desk.paid("ghostcut", job_id)) == 1
