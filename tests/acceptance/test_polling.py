"""How a job waits: for minutes inside the task, then as a Prefect retry; and never without a limit."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, TaskRunFilter, TaskRunFilterName
from prefect.client.schemas.objects import TaskRun

from deployments.server.concurrency_limits import register_limits
from tests.acceptance.conftest import StackDriver
from tests.acceptance.test_callbacks import wait_until_completed
from tests.acceptance.test_cancellation import wait_until
from tests.acceptance.test_operator_actions import apply_decision
from tests.support.stuck_jobs import execute_sql, vendors_are_done
from videojobs.db import Lease, SubmissionState
from videojobs.progress import POINT_SPECS
from videojobs.states import RecoveryPoint, Stage, Status

pytestmark = pytest.mark.usefixtures("in_process_flows")


async def test_a_long_poll_task_continues_as_a_prefect_retry(
    driver: StackDriver, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_POLL_ATTEMPT_SECONDS", "0.1")
    monkeypatch.setenv("VIDEOJOBS_SYNC_LONG_POLL_SECONDS", "1")
    await driver.update_vendor_settings("sync_so", processing_seconds=3)
    try:
        job = await driver.run_in_process(driver.make_small_request(areas=False), job_id)
    finally:
        await driver.update_vendor_settings("sync_so", processing_seconds=0.5)
    assert job.status == Status.COMPLETED
    waiting = await wait_for_task_run(driver, job_id, "wait for the lip-sync")
    assert waiting.run_count >= 2


async def wait_for_task_run(driver: StackDriver, job_id: str, name: str) -> TaskRun:
    """A task run in its final server state; the server learns of task runs from events, a little later."""
    holder = next(
        event.actor for event in await driver.repository.list_events(job_id) if event.kind == "lease_acquired"
    )
    of_the_run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(holder.split("/")[0])]))
    named = TaskRunFilter(name=TaskRunFilterName(any_=[name]))
    while True:
        found = await driver.prefect.read_task_runs(flow_run_filter=of_the_run, task_run_filter=named)
        if found and found[0].state is not None and found[0].state.is_completed():
            return found[0]
        await asyncio.sleep(0.2)


async def test_a_vendor_that_never_finishes_parks_the_job(
    driver: StackDriver, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_POLL_ATTEMPT_SECONDS", "0.1")
    monkeypatch.setenv("VIDEOJOBS_POLL_GIVE_UP_HOURS", "0.0005")  # 1.8 s
    await driver.update_vendor_settings("ghostcut", processing_seconds=3600)
    try:
        job = await driver.run_in_process(driver.make_small_request(), job_id)
    finally:
        await driver.update_vendor_settings("ghostcut", processing_seconds=0.5)
    assert job.status == Status.PROCESSING
    assert "GhostCut has not finished" in (job.parked_reason or "")
    assert await driver.submission_state(job_id, Stage.TEXT_REMOVAL) == SubmissionState.ACCEPTED


STAGE_BY_VENDOR = {"sync_so": Stage.LIP_SYNC, "ghostcut": Stage.TEXT_REMOVAL}
CALLBACK_FAULT_KIND = {"sync_so": "webhook", "ghostcut": "callback"}


async def abandon_for_hours(driver: StackDriver, job_id: str, vendor: str) -> None:
    """A job accepted by its vendor, whose workers have been down for longer than the polling limit."""
    working = asyncio.create_task(driver.run_to_state(driver.make_small_request(), job_id))

    async def is_accepted() -> bool:
        assert not working.done(), "the job ended before its run could be killed"
        return await driver.submission_state(job_id, STAGE_BY_VENDOR[vendor]) == SubmissionState.ACCEPTED

    await wait_until(is_accepted)
    working.cancel()
    await asyncio.wait([working])
    hours_ago = "UPDATE video_submissions SET accepted_at = accepted_at - interval '7 hours' WHERE job_id = :id"
    await execute_sql(driver, hours_ago, job_id)


async def park_overdue_job(driver: StackDriver, job_id: str) -> None:
    """Park the job as a run does when its vendor takes too long."""
    lease = Lease(job_id, "overdue/1")
    assert await driver.repository.acquire_lease(lease, 60) is None
    await driver.repository.park(lease, "the vendor has not finished it within 6 hours")
    await driver.repository.release_lease(lease)


@pytest.fixture
async def slow_vendors(driver: StackDriver) -> AsyncIterator[None]:
    """Vendors that take longer than parking a job does, also on a busy machine."""
    await driver.update_vendor_settings("sync_so", processing_seconds=8)
    await driver.update_vendor_settings("ghostcut", processing_seconds=8)
    yield
    await driver.update_vendor_settings("sync_so", processing_seconds=0.5)
    await driver.update_vendor_settings("ghostcut", processing_seconds=0.5)


async def is_paid_once(driver: StackDriver, job_id: str) -> bool:
    return (
        len(await driver.vendor_submissions("sync_so", job_id))
        == len(await driver.vendor_submissions("ghostcut", job_id))
        == 1
    )


@pytest.mark.parametrize("vendor", STAGE_BY_VENDOR)
async def test_a_late_run_still_fetches_the_result(driver: StackDriver, job_id: str, vendor: str) -> None:
    await abandon_for_hours(driver, job_id, vendor)
    await wait_until(lambda: vendors_are_done(driver, job_id))
    job = await driver.run_in_process(driver.make_small_request(), job_id)
    assert (job.status, job.parked_reason) == (Status.COMPLETED, None)
    assert await is_paid_once(driver, job_id)


@pytest.mark.parametrize(("decision", "named"), [("retry", False), ("adopt", True)])
@pytest.mark.parametrize("vendor", STAGE_BY_VENDOR)
async def test_an_operator_resumes_a_job_parked_for_a_slow_vendor(
    driver: StackDriver, job_id: str, vendor: str, decision: str, named: bool
) -> None:
    await driver.inject_fault(vendor, CALLBACK_FAULT_KIND[vendor], job_id, effect="drop", times=9)
    await abandon_for_hours(driver, job_id, vendor)
    await park_overdue_job(driver, job_id)
    submission = await driver.repository.get_live_submission(job_id, STAGE_BY_VENDOR[vendor])
    assert submission is not None
    more = {"vendor_id": submission.vendor_id} if named else {}
    assert "continues job" in str(await apply_decision(driver, job_id, decision, **more))
    await wait_until_completed(driver, job_id)
    assert await is_paid_once(driver, job_id)


@pytest.mark.parametrize("vendor", STAGE_BY_VENDOR)
async def test_a_callback_resumes_a_job_parked_for_its_vendor(
    driver: StackDriver, job_id: str, vendor: str, slow_vendors: None
) -> None:
    await abandon_for_hours(driver, job_id, vendor)
    await park_overdue_job(driver, job_id)
    await wait_until_completed(driver, job_id)
    assert await is_paid_once(driver, job_id)


@pytest.mark.parametrize(
    ("vendor", "point"),
    [("sync_so", RecoveryPoint.LIP_SYNC_SUBMITTED), ("ghostcut", RecoveryPoint.TEXT_REMOVAL_SUBMITTED)],
)
async def test_frequent_polls_record_progress_rarely(
    driver: StackDriver, job_id: str, monkeypatch: pytest.MonkeyPatch, vendor: str, point: RecoveryPoint
) -> None:
    monkeypatch.setenv("VIDEOJOBS_SYNC_LONG_POLL_SECONDS", "1")  # GhostCut is polled every 0.2 s here
    await driver.update_vendor_settings(vendor, processing_seconds=4)
    try:
        job = await driver.run_in_process(driver.make_small_request(), job_id)
    finally:
        await driver.update_vendor_settings(vendor, processing_seconds=0.5)
    assert job.status == Status.COMPLETED
    told = [
        event.progress
        for event in await driver.repository.list_events(job_id)
        if event.kind == "progress" and event.point == point and event.message == POINT_SPECS[point].message
    ]
    assert len(told) <= 1, told


async def test_generations_respect_the_vendor_rate_limit(driver: StackDriver) -> None:
    two_seconds_apart = 0.5
    await driver.prefect.upsert_global_concurrency_limit_by_name("sync-so-creates", 1, two_seconds_apart)
    try:
        jobs = await asyncio.gather(*(driver.run_in_process(driver.make_small_request(areas=False)) for _ in range(3)))
    finally:
        await register_limits(driver.prefect)
    assert [job.status for job in jobs] == [Status.COMPLETED] * 3
    first, second, third = sorted(
        [entry["created_at"] for job in jobs for entry in await driver.vendor_submissions("sync_so", job.id)]
    )
    assert second - first > 1.9
    assert third - second > 1.9
