"""How a job waits: for minutes inside the task, then back to Prefect as a retry; and never for ever."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, TaskRunFilter, TaskRunFilterName
from prefect.client.schemas.objects import TaskRun

from deployments.limits import register_limits
from tasks.slots import SYNC_SO_CREATES
from tests.stack.conftest import Desk
from tests.stack.stuck_jobs import sql, the_vendors_are_through
from tests.stack.test_callbacks import completed
from tests.stack.test_cancelling import until
from tests.stack.test_deciding import decided
from videojobs.ledger import Lease, SubmissionState
from videojobs.states import RULES, Point, Stage, Status

pytestmark = pytest.mark.usefixtures("here")


async def test_a_poll_that_lasts_too_long_is_handed_back_to_prefect_and_goes_on_as_a_retry(
    desk: Desk, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_POLL_ATTEMPT_SECONDS", "0.1")
    monkeypatch.setenv("VIDEOJOBS_SYNC_LONG_POLL_SECONDS", "1")
    await desk.settings("sync_so", processing_seconds=3)
    try:
        job = await desk.run_here(desk.small(areas=False), job_id)
    finally:
        await desk.settings("sync_so", processing_seconds=0.5)
    assert job.status == Status.COMPLETED
    waiting = await recorded(desk, job_id, "wait for the lip-sync")
    assert waiting.run_count >= 2


async def recorded(desk: Desk, job_id: str, name: str) -> TaskRun:
    """A task run as the server has it in the end; it learns of task runs a little later, from events."""
    holder = next(event.actor for event in await desk.ledger.events(job_id) if event.kind == "claimed")
    of_the_run = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(holder.split("/")[0])]))
    named = TaskRunFilter(name=TaskRunFilterName(any_=[name]))
    while True:
        found = await desk.prefect.read_task_runs(flow_run_filter=of_the_run, task_run_filter=named)
        if found and found[0].state is not None and found[0].state.is_completed():
            return found[0]
        await asyncio.sleep(0.2)


async def test_a_vendor_that_never_ends_gets_its_job_parked_with_the_paid_submission_kept(
    desk: Desk, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_POLL_ATTEMPT_SECONDS", "0.1")
    monkeypatch.setenv("VIDEOJOBS_POLL_GIVE_UP_HOURS", "0.0005")  # 1.8 s
    await desk.settings("ghostcut", processing_seconds=3600)
    try:
        job = await desk.run_here(desk.small(), job_id)
    finally:
        await desk.settings("ghostcut", processing_seconds=0.5)
    assert job.status == Status.PROCESSING
    assert "GhostCut has not finished" in (job.parked_reason or "")
    assert await desk.submission(job_id, Stage.TEXT_REMOVAL) == SubmissionState.ACCEPTED


STAGES = {"sync_so": Stage.LIP_SYNC, "ghostcut": Stage.TEXT_REMOVAL}
NO_CALLBACK = {"sync_so": "webhook", "ghostcut": "callback"}


async def left_for_hours(desk: Desk, job_id: str, vendor: str) -> None:
    """A job whose vendor has it, and whose workers have been away for longer than anybody waits."""
    working = asyncio.create_task(desk.state_here(desk.small(), job_id))

    async def is_accepted() -> bool:
        assert not working.done(), "the job ended before its run could be killed"
        return await desk.submission(job_id, STAGES[vendor]) == SubmissionState.ACCEPTED

    await until(is_accepted)
    working.cancel()
    await asyncio.wait([working])
    hours_ago = "UPDATE video_submissions SET accepted_at = accepted_at - interval '7 hours' WHERE job_id = :id"
    await sql(desk, hours_ago, job_id)


async def park(desk: Desk, job_id: str) -> None:
    """As a run does that finds its vendor at work for too long."""
    lease = Lease(job_id, "overdue/1")
    assert await desk.ledger.claim(lease, 60) is None
    await desk.ledger.park(lease, "the vendor has not finished it within 6 hours")
    await desk.ledger.release(lease)


@pytest.fixture
async def slow(desk: Desk) -> AsyncIterator[None]:
    """The vendors need longer than it takes to park a job, also on a busy machine."""
    await desk.settings("sync_so", processing_seconds=8)
    await desk.settings("ghostcut", processing_seconds=8)
    yield
    await desk.settings("sync_so", processing_seconds=0.5)
    await desk.settings("ghostcut", processing_seconds=0.5)


async def is_paid_once(desk: Desk, job_id: str) -> bool:
    return len(await desk.paid("sync_so", job_id)) == len(await desk.paid("ghostcut", job_id)) == 1


@pytest.mark.parametrize("vendor", STAGES)
async def test_a_result_that_is_there_is_fetched_however_late_its_run_comes(
    desk: Desk, job_id: str, vendor: str
) -> None:
    await left_for_hours(desk, job_id, vendor)
    await until(lambda: the_vendors_are_through(desk, job_id))
    job = await desk.run_here(desk.small(), job_id)
    assert (job.status, job.parked_reason) == (Status.COMPLETED, None)
    assert await is_paid_once(desk, job_id)


@pytest.mark.parametrize(("decision", "named"), [("retry", False), ("adopt", True)])
@pytest.mark.parametrize("vendor", STAGES)
async def test_an_operator_frees_a_job_that_is_parked_at_a_slow_vendor(
    desk: Desk, job_id: str, vendor: str, decision: str, named: bool
) -> None:
    await desk.fault(vendor, NO_CALLBACK[vendor], job_id, effect="drop", times=9)
    await left_for_hours(desk, job_id, vendor)
    await park(desk, job_id)
    submission = await desk.ledger.live_submission(job_id, STAGES[vendor])
    assert submission is not None
    more = {"vendor_id": submission.vendor_id} if named else {}
    assert "goes on with job" in str(await decided(desk, job_id, decision, **more))
    await completed(desk, job_id)
    assert await is_paid_once(desk, job_id)


@pytest.mark.parametrize("vendor", STAGES)
async def test_the_vendors_callback_frees_a_job_that_is_parked_at_it(
    desk: Desk, job_id: str, vendor: str, slow: None
) -> None:
    await left_for_hours(desk, job_id, vendor)
    await park(desk, job_id)
    await completed(desk, job_id)
    assert await is_paid_once(desk, job_id)


@pytest.mark.parametrize(
    ("vendor", "point"), [("sync_so", Point.LIP_SYNC_SUBMITTED), ("ghostcut", Point.TEXT_REMOVAL_SUBMITTED)]
)
async def test_a_job_that_hears_of_its_vendor_often_tells_its_progress_once_in_a_while(
    desk: Desk, job_id: str, monkeypatch: pytest.MonkeyPatch, vendor: str, point: Point
) -> None:
    monkeypatch.setenv("VIDEOJOBS_SYNC_LONG_POLL_SECONDS", "1")  # GhostCut is asked every 0.2 s here
    await desk.settings(vendor, processing_seconds=4)
    try:
        job = await desk.run_here(desk.small(), job_id)
    finally:
        await desk.settings(vendor, processing_seconds=0.5)
    assert job.status == Status.COMPLETED
    told = [
        event.progress
        for event in await desk.ledger.events(job_id)
        if event.kind == "progress" and event.point == point and event.message == RULES[point].message
    ]
    assert len(told) <= 1, told


async def test_generations_are_bought_no_faster_than_the_vendor_takes_them(desk: Desk) -> None:
    two_seconds_apart = 0.5
    await desk.prefect.upsert_global_concurrency_limit_by_name(SYNC_SO_CREATES, 1, two_seconds_apart)
    try:
        jobs = await asyncio.gather(*(desk.run_here(desk.small(areas=False)) for _ in range(3)))
    finally:
        await register_limits(desk.prefect)
    assert [job.status for job in jobs] == [Status.COMPLETED] * 3
    first, second, third = sorted([entry["created_at"] for job in jobs for entry in await desk.paid("sync_so", job.id)])
    assert second - first > 1.9
    assert third - second > 1.9
