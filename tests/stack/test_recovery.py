"""A job survives what happens to its runs: many at once, runs that die again and again, ids that got lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from tests.stack.conftest import Desk
from videojobs.intake import parse_request
from videojobs.ledger import Lease, SubmissionState, engine_for
from videojobs.settings import Access, Timings
from videojobs.states import Point, Stage, Status

pytestmark = pytest.mark.usefixtures("here")

AS_THE_OLD_SYSTEM_DID = """
    UPDATE video_jobs SET zhaoli_task_id = NULL,
        job_metadata = job_metadata - 'ghostcut_task_id' - 'ghostcut_project_id' - 'sync_generation_id'
    WHERE id = :id
"""
AS_IF_THE_ANSWER_HAD_NEVER_COME = """
    UPDATE video_submissions SET state = 'intended', vendor_id = NULL, vendor_batch_id = NULL, vendor_answer = NULL,
        accepted_at = NULL WHERE job_id = :id AND stage = :stage
"""
AND_THE_JOB_HAD_NOT_MOVED = "UPDATE video_jobs SET recovery_point = :point WHERE id = :id"


async def sql(desk: Desk, statement: str, **values: str) -> None:
    async with engine_for(desk.stack.variables["DATABASE_URL"]).begin() as connection:
        await connection.execute(text(statement), values)


@pytest.fixture
async def slow_vendors(desk: Desk) -> AsyncIterator[None]:
    for vendor in ("sync_so", "ghostcut"):
        await desk.settings(vendor, processing_seconds=2)
    yield
    for vendor in ("sync_so", "ghostcut"):
        await desk.settings(vendor, processing_seconds=0.5)


async def die_when_accepted(desk: Desk, job_id: str, stage: Stage) -> None:
    """Run the job until the vendor has accepted the stage, then end the run as if its process had died."""
    working = asyncio.create_task(desk.state_here(desk.small(), job_id))
    while (await desk.submission(job_id, stage)) != SubmissionState.ACCEPTED:
        assert not working.done(), "the job ended before it could be killed"
        await asyncio.sleep(0.02)
    working.cancel()
    await asyncio.wait([working])


async def test_of_ten_runs_at_once_one_works_and_nine_step_aside_and_say_for_whom(desk: Desk, job_id: str) -> None:
    states = await asyncio.gather(*(desk.state_here(desk.small(areas=False), job_id) for _ in range(10)))
    aside = [state for state in states if state.name == "SteppedAside"]
    assert (len(aside), sum(state.name == "Completed" for state in states)) == (9, 1)
    holder = next(event.actor for event in await desk.ledger.events(job_id) if event.kind == "claimed").split("/")[0]
    assert all(f"flow run {holder} is at work on job {job_id}" in str(state.message) for state in aside)
    assert len(await desk.paid("sync_so", job_id)) == 1


@pytest.mark.parametrize("stage", list(Stage))
async def test_the_old_bug_an_id_that_was_not_saved_buys_nothing_twice(
    desk: Desk, job_id: str, stage: Stage, slow_vendors: None
) -> None:
    """The old system found no id in its JSON, and submitted again, every minute."""
    await die_when_accepted(desk, job_id, stage)
    await sql(desk, AS_THE_OLD_SYSTEM_DID, id=job_id)
    job = await desk.run_here(desk.small(), job_id)
    assert job.status == Status.COMPLETED
    assert len(await desk.paid("sync_so", job_id)) == len(await desk.paid("ghostcut", job_id)) == 1


@pytest.mark.parametrize(
    ("stage", "before"), [(Stage.LIP_SYNC, Point.UPLOADED), (Stage.TEXT_REMOVAL, Point.LIP_SYNC_STORED)]
)
async def test_even_if_the_books_lose_the_id_itself_the_vendor_is_paid_once(
    desk: Desk, job_id: str, stage: Stage, before: Point, slow_vendors: None
) -> None:
    await desk.fault("ghostcut", "callback", job_id, effect="drop", times=9)  # it would name the work
    await die_when_accepted(desk, job_id, stage)
    await sql(desk, AS_IF_THE_ANSWER_HAD_NEVER_COME, id=job_id, stage=stage)
    await sql(desk, AND_THE_JOB_HAD_NOT_MOVED, id=job_id, point=before)
    job = await desk.run_here(desk.small(), job_id)
    assert job.status == Status.COMPLETED  # by the same key and bytes; by the list of works
    assert len(await desk.paid("sync_so", job_id)) == 1
    assert len(await desk.paid("ghostcut", job_id)) == 1


async def test_a_job_that_its_runs_do_not_survive_is_parked_with_its_history(desk: Desk, job_id: str) -> None:
    request = parse_request(desk.small(areas=False), access=Access(allow_local_files=True))
    await desk.ledger.open(job_id, request, actor="test")
    attempts = Timings().recovery_attempts
    for number in range(attempts):
        assert await desk.ledger.claim(Lease(job_id, f"dead-{number}/1"), 0.001) is None
        await asyncio.sleep(0.002)  # for that long the lease is alive
    state = await desk.state_here(desk.small(areas=False), job_id)
    assert state.name == "Parked"
    job = await desk.ledger.job(job_id)
    assert f"{attempts} runs in a row" in str(job.parked_reason)
    parked = (await desk.ledger.events(job_id))[-1]
    assert parked.detail is not None
    assert [entry["run"] for entry in parked.detail["history"]][:attempts] == [
        f"dead-{number}/1" for number in range(attempts)
    ]
    assert await desk.paid("sync_so", job_id) == []


async def test_runs_that_end_in_order_do_not_count_towards_the_cap(desk: Desk, job_id: str) -> None:
    request = parse_request(desk.small(areas=False), access=Access(allow_local_files=True))
    await desk.ledger.open(job_id, request, actor="test")
    for number in range(Timings().recovery_attempts + 1):
        lease = Lease(job_id, f"run-{number}/1")
        await desk.ledger.claim(lease, 60)
        await desk.ledger.release(lease)
    assert (await desk.run_here(desk.small(areas=False), job_id)).status == Status.COMPLETED


async def test_a_doubt_that_is_days_old_is_settled_by_the_vendors_list_and_not_by_its_memory_of_keys(
    desk: Desk, job_id: str, slow_vendors: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    await die_when_accepted(desk, job_id, Stage.LIP_SYNC)
    await sql(desk, AS_IF_THE_ANSWER_HAD_NEVER_COME, id=job_id, stage=Stage.LIP_SYNC)
    await sql(desk, AND_THE_JOB_HAD_NOT_MOVED, id=job_id, point=Point.UPLOADED)
    monkeypatch.setenv("VIDEOJOBS_REPLAY_HOURS", "0")
    job = await desk.run_here(desk.small(), job_id)
    assert job.status == Status.COMPLETED
    [generation] = await desk.paid("sync_so", job_id)
    assert generation["replays"] == 0
