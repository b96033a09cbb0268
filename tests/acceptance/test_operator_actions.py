"""Operator actions on parked or failed jobs, as runs of the deployment `resolve-job`."""

from typing import Any

import pytest
from prefect.client.schemas.sorting import FlowRunSort

from flows.resolve_job import resolve_job
from tests.acceptance.conftest import StackDriver
from videojobs.db import VideoJob
from videojobs.states import Status

pytestmark = pytest.mark.usefixtures("in_process_flows")


async def apply_decision(driver: StackDriver, job_id: str, decision: str, **more: Any) -> str | None:
    """Apply the decision in this process; gives the message of the final state."""
    state = await resolve_job(job_id, decision, "a test", **more, return_state=True)
    return state.message if state.is_completed() else f"refused: {state.message}"


async def wait_for_resumed_job(driver: StackDriver, job_id: str) -> VideoJob:
    """The job, once the run started by the decision has ended on the worker."""
    latest = await driver.prefect.read_flow_runs(sort=FlowRunSort.EXPECTED_START_TIME_DESC)  # 200 of them at most
    for run in [run for run in latest if run.parameters.get("job_id") == job_id]:
        if run.deployment_id is not None:
            await driver.wait_for_run(run)
    return await driver.repository.get_job(job_id)


async def drop_submit_response(driver: StackDriver, job_id: str) -> None:
    """Drop GhostCut's response, and let its list show the work with a changed link, so that the list proves nothing."""
    await driver.inject_fault("ghostcut", "listed", job_id, effect="bare_url", times=1000)
    await driver.inject_fault("ghostcut", "reset", job_id, when="after")


async def make_lost_work(driver: StackDriver, job_id: str) -> str:
    """A job that is parked because GhostCut's response was lost and no callback arrives; gives the work's id."""
    await driver.inject_fault("ghostcut", "callback", job_id, effect="drop", times=9)
    await drop_submit_response(driver, job_id)
    job = await driver.run_in_process(driver.make_small_request(), job_id)
    assert job.parked_reason is not None
    [work] = await driver.vendor_submissions("ghostcut", job_id)
    return str(work["id"])


async def test_an_operator_adopts_a_lost_work_by_its_id(driver: StackDriver, job_id: str) -> None:
    work = await make_lost_work(driver, job_id)
    assert "continues job" in str(await apply_decision(driver, job_id, "adopt", vendor_id=work))
    job = await wait_for_resumed_job(driver, job_id)
    assert (job.status, job.job_metadata["ghostcut_task_id"]) == (Status.COMPLETED, work)
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1
    reopened = [event for event in await driver.repository.list_events(job_id) if event.kind == "reopened"]
    assert [event.detail and event.detail["reason"] for event in reopened] == ["a test"]


async def test_a_work_of_another_job_is_not_adopted(driver: StackDriver, job_id: str) -> None:
    await make_lost_work(driver, job_id)
    other = await driver.run_in_process(driver.make_small_request())
    said = str(await apply_decision(driver, job_id, "adopt", vendor_id=other.job_metadata["ghostcut_task_id"]))
    assert "does not contain this job's file" in said
    said = str(
        await apply_decision(driver, job_id, "adopt", vendor_id=other.job_metadata["ghostcut_task_id"], unproven=True)
    )
    assert f"belongs to job {other.id}" in said
    assert (await driver.repository.get_job(job_id)).parked_reason is not None


async def test_resubmitting_needs_cost_consent_and_buys_once(driver: StackDriver, job_id: str) -> None:
    await make_lost_work(driver, job_id)
    assert "accept_the_cost" in str(await apply_decision(driver, job_id, "resubmit"))
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1
    await apply_decision(driver, job_id, "resubmit", accept_the_cost=True)
    job = await wait_for_resumed_job(driver, job_id)
    assert job.status == Status.COMPLETED
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 2
    assert len(await driver.vendor_submissions("sync_so", job_id)) == 1


async def test_a_text_removal_retry_buys_no_second_lip_sync(driver: StackDriver, job_id: str) -> None:
    await driver.inject_fault("ghostcut", "ends", job_id, status=20)
    failed = await driver.run_in_process(driver.make_small_request(), job_id)
    assert failed.status == Status.FAILED
    await apply_decision(driver, job_id, "retry")
    job = await wait_for_resumed_job(driver, job_id)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert len(await driver.vendor_submissions("sync_so", job_id)) == 1
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 2
    progress = [event.progress for event in await driver.repository.list_events(job_id)]
    assert progress == sorted(progress)


@pytest.mark.parametrize("deployment", ["resolve-job/resolve-job", "decide/decide"])
async def test_either_deployment_name_resolves_a_job(driver: StackDriver, job_id: str, deployment: str) -> None:
    """Scripts and schedules may still use the deployment's old name."""
    await driver.inject_fault("ghostcut", "ends", job_id, status=20)
    await driver.run_in_process(driver.make_small_request(), job_id)
    parameters = {"job_id": job_id, "decision": "retry", "reason": "a test"}
    run = await driver.wait_for_run(await driver.start_run(parameters, deployment=deployment))
    assert run.state_name == "Completed", run.state
    assert (await wait_for_resumed_job(driver, job_id)).status == Status.COMPLETED


async def test_an_abandoned_job_fails_and_offers_its_lip_sync(driver: StackDriver, job_id: str) -> None:
    await make_lost_work(driver, job_id)
    await apply_decision(driver, job_id, "give up")
    job = await driver.repository.get_job(job_id)
    assert (job.status, job.parked_reason) == (Status.FAILED, None)
    assert "given up by an operator: a test" in str(job.error_message)
    assert job.output_url is not None
    assert "pro_sync_result" in job.output_url


async def test_a_completed_job_accepts_no_operator_action(driver: StackDriver, job_id: str) -> None:
    await driver.run_in_process(driver.make_small_request(), job_id)
    assert "nothing to decide" in str(await apply_decision(driver, job_id, "retry"))
    assert (await driver.repository.get_job(job_id)).status == Status.COMPLETED
