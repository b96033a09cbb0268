"""Runs that are active in Prefect but that no worker executes, as an unnoticed dead worker leaves them.

The automations react to events, and a server that was down has missed them. So the clean-up looks for such runs, too.
"""

from typing import Final
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled, Cancelling, Pending, Running
from sqlalchemy import make_url, text

from deployments.local.services.postgres import PREFECT_DATABASE
from flows.remove_text import remove_text
from tasks.lip_sync import submit_lip_sync
from tests.acceptance.conftest import DEPLOYMENT, StackDriver
from tests.acceptance.test_cancellation import wait_until
from tests.acceptance.test_cleanup import run_cleanup, submission_counts
from tests.support.stuck_jobs import STUCK_DAYS, backdate_jobs
from videojobs.db import Lease, get_engine
from videojobs.errors import UnknownJob
from videojobs.requests.parsing import parse_request
from videojobs.settings import AccessSettings
from videojobs.states import Stage, Status

pytestmark = pytest.mark.usefixtures("in_process_flows", "no_scheduled_cleanup")

_BACKDATE_SQL: Final = (
    f"UPDATE flow_run_state SET timestamp = timestamp - interval '{STUCK_DAYS} days' WHERE flow_run_id = :id",  # noqa: S608
    f"UPDATE flow_run SET state_timestamp = state_timestamp - interval '{STUCK_DAYS} days' WHERE id = :id",  # noqa: S608
)
_SET_STATE_SQL: Final = (
    "UPDATE flow_run_state SET type = CAST(:type AS state_type), name = :name WHERE flow_run_id = :id",
    "UPDATE flow_run SET state_type = CAST(:type AS state_type), state_name = :name WHERE id = :id",
)


async def make_orphaned_run(driver: StackDriver, job_id: str, state: State[None]) -> FlowRun:
    """A run of this job that has been in this state for days, and that no worker picks up."""
    deployment = await driver.prefect.read_deployment_by_name(DEPLOYMENT)
    run = await driver.prefect.create_flow_run_from_deployment(
        deployment.id, parameters={**driver.make_small_request(areas=False), "job_id": job_id}, state=state
    )
    await backdate_run(driver, run.id)
    return run


async def backdate_run(driver: StackDriver, run_id: UUID) -> None:
    for statement in _BACKDATE_SQL:
        await execute_on_prefect_db(driver, statement, id=run_id)


async def execute_on_prefect_db(driver: StackDriver, statement: str, **values: object) -> None:
    """Execute SQL in the Prefect server's own database."""
    server = make_url(driver.stack.variables["DATABASE_URL"]).set(database=PREFECT_DATABASE)
    async with get_engine(server.render_as_string(hide_password=False)).begin() as connection:
        await connection.execute(text(statement), values)


async def set_state_without_event(driver: StackDriver, run_id: UUID, state: str) -> None:
    """Put the run into this state, without the event that reports it."""
    for statement in _SET_STATE_SQL:
        await execute_on_prefect_db(driver, statement, id=run_id, type=state.upper(), name=state)


async def is_completed(driver: StackDriver, run_id: UUID) -> bool:
    return (await driver.prefect.read_flow_run(run_id)).state_name == "Completed"


async def create_job(driver: StackDriver, job_id: str) -> None:
    request = parse_request(driver.make_small_request(areas=False), access=AccessSettings(allow_local_files=True))
    await driver.repository.create(job_id, request, actor="test")


@pytest.mark.parametrize("state", ["Pending", "Running", "Crashed"])
async def test_a_run_that_died_before_creating_its_job_is_rerun(driver: StackDriver, job_id: str, state: str) -> None:
    run = await make_orphaned_run(driver, job_id, Pending())
    await set_state_without_event(driver, run.id, state)
    assert "set it to AwaitingRetry" in (await run_cleanup(driver, dry_run=True))[job_id]["would do"]
    with pytest.raises(UnknownJob):
        await driver.repository.get_job(job_id)
    assert (await run_cleanup(driver, dry_run=False))[job_id]["reason"] == "it died before it created its job"
    await wait_until(lambda: is_completed(driver, run.id))
    assert (await driver.repository.get_job(job_id)).status == Status.COMPLETED
    assert await submission_counts(driver, job_id) == (1, 0)


async def test_a_cancelling_run_of_a_dead_worker_becomes_cancelled(driver: StackDriver, job_id: str) -> None:
    run = await make_orphaned_run(driver, job_id, Cancelling())
    await run_cleanup(driver, dry_run=False)
    assert (await driver.prefect.read_flow_run(run.id)).state_name == "Cancelled"


async def test_an_orphaned_run_of_a_completed_job_becomes_completed(driver: StackDriver, job_id: str) -> None:
    await driver.run_in_process(driver.make_small_request(areas=False), job_id)
    run = await make_orphaned_run(driver, job_id, Running())
    assert (await run_cleanup(driver, dry_run=False))[job_id]["reason"] == "its process is gone"
    await wait_until(lambda: is_completed(driver, run.id))
    assert await submission_counts(driver, job_id) == (1, 0)


async def test_the_lease_of_a_completed_job_is_released(driver: StackDriver, job_id: str) -> None:
    await driver.run_in_process(driver.make_small_request(areas=False), job_id)
    run = await make_orphaned_run(driver, job_id, Running())
    long_ago = -3600
    await driver.repository.acquire_lease(Lease(job_id, f"{run.id}/1"), long_ago)
    assert "released its job" in (await run_cleanup(driver, dry_run=False))[job_id]["reason"]
    await wait_until(lambda: is_completed(driver, run.id))
    assert (await driver.repository.get_job(job_id)).lease_holder is None
    assert await submission_counts(driver, job_id) == (1, 0)


async def test_a_subflow_without_a_parent_run_is_crashed(driver: StackDriver, job_id: str) -> None:
    await driver.run_in_process(driver.make_small_request(areas=False), job_id)
    caller = await make_orphaned_run(driver, job_id, Running())
    call = await driver.prefect.create_task_run(submit_lip_sync, caller.id, dynamic_key="0")
    run = await driver.prefect.create_flow_run(
        remove_text, name=f"remove text from {job_id}", parent_task_run_id=call.id, state=Running()
    )
    await backdate_run(driver, run.id)
    assert "the run that called it is gone" in (await run_cleanup(driver, dry_run=False))[job_id]["reason"]
    assert (await driver.prefect.read_flow_run(run.id)).state_name == "Crashed"


async def test_a_run_that_holds_its_lease_is_left_alone(driver: StackDriver, job_id: str) -> None:
    run = await make_orphaned_run(driver, job_id, Running())
    await create_job(driver, job_id)
    await driver.repository.acquire_lease(Lease(job_id, f"{run.id}/1"), 60)
    assert job_id not in await run_cleanup(driver, dry_run=False)
    assert (await driver.prefect.read_flow_run(run.id)).state_name == "Running"
    await driver.prefect.delete_flow_run(run.id)


async def test_a_recent_run_is_left_alone(driver: StackDriver, job_id: str) -> None:
    deployment = await driver.prefect.read_deployment_by_name(DEPLOYMENT)
    run = await driver.prefect.create_flow_run_from_deployment(
        deployment.id, parameters={**driver.make_small_request(), "job_id": job_id}, state=Pending()
    )
    assert job_id not in await run_cleanup(driver, dry_run=False)
    await driver.prefect.delete_flow_run(run.id)


async def test_an_unrecorded_cancellation_is_recorded(driver: StackDriver, job_id: str) -> None:
    run = await make_orphaned_run(driver, job_id, Cancelled())
    await create_job(driver, job_id)
    lease = Lease(job_id, f"{run.id}/1")
    await driver.repository.acquire_lease(lease, 0)
    await backdate_jobs(driver, job_id)
    assert (await run_cleanup(driver, dry_run=True))[job_id]["action"] == "cancel"
    assert (await driver.repository.get_job(job_id)).status == Status.PROCESSING
    await run_cleanup(driver, dry_run=False)
    job = await driver.repository.get_job(job_id)
    assert job.status == Status.CANCELLED
    assert "nothing was paid for" in str(job.error_message)
    assert await driver.repository.get_live_submission(job_id, Stage.LIP_SYNC) is None
    assert await submission_counts(driver, job_id) == (0, 0)
