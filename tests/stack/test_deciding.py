"""The operator's verbs on jobs that are parked or have failed, given as runs of the deployment `decide`."""

from typing import Any

import pytest
from prefect.client.schemas.sorting import FlowRunSort

from flows.decide import decide
from tests.stack.conftest import Desk
from videojobs.ledger import VideoJob
from videojobs.states import Status

pytestmark = pytest.mark.usefixtures("here")


async def decided(desk: Desk, job_id: str, decision: str, **more: Any) -> str | None:
    """The decision, made here; gives the message of the state in which it ended."""
    state = await decide(job_id, decision, "a test", **more, return_state=True)
    return state.message if state.is_completed() else f"refused: {state.message}"


async def settled(desk: Desk, job_id: str) -> VideoJob:
    """The job, when the run that the decision started has ended on the worker."""
    latest = await desk.prefect.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC)  # 200 of them at most
    for run in [run for run in latest if run.parameters.get("job_id") == job_id]:
        if run.deployment_id is not None:
            await desk.ended(run)
    return await desk.ledger.job(job_id)


async def lose_the_answer(desk: Desk, job_id: str) -> None:
    """GhostCut's, and let its list show the work with a changed link, so that it proves nothing."""
    await desk.fault("ghostcut", "listed", job_id, effect="bare_url", times=1000)
    await desk.fault("ghostcut", "reset", job_id, when="after")


async def lost_work(desk: Desk, job_id: str) -> str:
    """A job that is parked since GhostCut's answer was lost, and no callback comes; gives the work's id."""
    await desk.fault("ghostcut", "callback", job_id, effect="drop", times=9)
    await lose_the_answer(desk, job_id)
    job = await desk.run_here(desk.small(), job_id)
    assert job.parked_reason is not None
    [work] = await desk.paid("ghostcut", job_id)
    return str(work["id"])


async def test_a_lost_work_is_adopted_by_the_id_that_the_operator_found(desk: Desk, job_id: str) -> None:
    work = await lost_work(desk, job_id)
    assert "goes on with job" in str(await decided(desk, job_id, "adopt", vendor_id=work))
    job = await settled(desk, job_id)
    assert (job.status, job.job_metadata["ghostcut_task_id"]) == (Status.COMPLETED, work)
    assert len(await desk.paid("ghostcut", job_id)) == 1
    reopened = [event for event in await desk.ledger.events(job_id) if event.kind == "reopened"]
    assert [event.detail and event.detail["reason"] for event in reopened] == ["a test"]


async def test_an_id_that_is_somebody_elses_work_is_not_adopted(desk: Desk, job_id: str) -> None:
    await lost_work(desk, job_id)
    other = await desk.run_here(desk.small())
    said = str(await decided(desk, job_id, "adopt", vendor_id=other.job_metadata["ghostcut_task_id"]))
    assert "does not name this job's file" in said
    said = str(await decided(desk, job_id, "adopt", vendor_id=other.job_metadata["ghostcut_task_id"], unproven=True))
    assert f"belongs to job {other.id}" in said
    assert (await desk.ledger.job(job_id)).parked_reason is not None


async def test_resubmitting_needs_a_yes_to_the_cost_and_then_buys_the_stage_once_more(desk: Desk, job_id: str) -> None:
    await lost_work(desk, job_id)
    assert "accept_the_cost" in str(await decided(desk, job_id, "resubmit"))
    assert len(await desk.paid("ghostcut", job_id)) == 1
    await decided(desk, job_id, "resubmit", accept_the_cost=True)
    job = await settled(desk, job_id)
    assert job.status == Status.COMPLETED
    assert len(await desk.paid("ghostcut", job_id)) == 2
    assert len(await desk.paid("sync_so", job_id)) == 1


async def test_a_job_that_failed_in_text_removal_is_retried_without_a_second_lip_sync(desk: Desk, job_id: str) -> None:
    await desk.fault("ghostcut", "ends", job_id, status=20)
    failed = await desk.run_here(desk.small(), job_id)
    assert failed.status == Status.FAILED
    await decided(desk, job_id, "retry")
    job = await settled(desk, job_id)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert len(await desk.paid("sync_so", job_id)) == 1
    assert len(await desk.paid("ghostcut", job_id)) == 2
    progress = [event.progress for event in await desk.ledger.events(job_id)]
    assert progress == sorted(progress)


async def test_a_job_that_is_given_up_is_failed_and_offers_its_lip_sync_result(desk: Desk, job_id: str) -> None:
    await lost_work(desk, job_id)
    await decided(desk, job_id, "give up")
    job = await desk.ledger.job(job_id)
    assert (job.status, job.parked_reason) == (Status.FAILED, None)
    assert "an operator gave it up: a test" in str(job.error_message)
    assert job.output_url is not None
    assert "pro_sync_result" in job.output_url


async def test_a_completed_job_leaves_nothing_to_decide(desk: Desk, job_id: str) -> None:
    await desk.run_here(desk.small(), job_id)
    assert "nothing to decide" in str(await decided(desk, job_id, "retry"))
    assert (await desk.ledger.job(job_id)).status == Status.COMPLETED
