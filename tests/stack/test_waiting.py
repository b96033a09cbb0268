"""How a job waits: for minutes inside the task, then back to Prefect as a retry; and never for ever."""

import asyncio
from uuid import UUID

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, TaskRunFilter, TaskRunFilterName
from prefect.client.schemas.objects import TaskRun

from deployments.limits import register_limits
from tasks.slots import SYNC_SO_CREATES
from tests.stack.conftest import Desk
from videojobs.ledger import SubmissionState
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
