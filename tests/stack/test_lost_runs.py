"""Runs that Prefect believes in and nobody works on, as a dead worker leaves them when nobody notices it.

The automations are told by events, which a server that was down has not seen; so the clean-up looks for such runs, too.
"""

from typing import Final
from uuid import UUID

import pytest
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Cancelled, Cancelling, Pending, Running
from sqlalchemy import make_url, text

from deployments.local.postgres import PREFECT
from flows.remove_text import remove_text
from tasks.lip_sync import submit_lip_sync
from tests.stack.conftest import DEPLOYMENT, Desk
from tests.stack.stuck_jobs import DAYS, age
from tests.stack.test_cancelling import until
from tests.stack.test_cleanup import paid, swept
from videojobs.intake import parse_request
from videojobs.ledger import Lease, UnknownJob, engine_for
from videojobs.settings import Access
from videojobs.states import Stage, Status

pytestmark = pytest.mark.usefixtures("here", "no_scheduled_cleanup")

_AGE: Final = (
    f"UPDATE flow_run_state SET timestamp = timestamp - interval '{DAYS} days' WHERE flow_run_id = :id",  # noqa: S608
    f"UPDATE flow_run SET state_timestamp = state_timestamp - interval '{DAYS} days' WHERE id = :id",  # noqa: S608
)
_UNHEARD: Final = (
    "UPDATE flow_run_state SET type = CAST(:type AS state_type), name = :name WHERE flow_run_id = :id",
    "UPDATE flow_run SET state_type = CAST(:type AS state_type), state_name = :name WHERE id = :id",
)


async def left(desk: Desk, job_id: str, state: State[None]) -> FlowRun:
    """A run of this job that has been in this state for days, in which no worker takes it."""
    deployment = await desk.prefect.read_deployment_by_name(DEPLOYMENT)
    run = await desk.prefect.create_flow_run_from_deployment(
        deployment.id, parameters={**desk.small(areas=False), "job_id": job_id}, state=state
    )
    await aged(desk, run.id)
    return run


async def aged(desk: Desk, run_id: UUID) -> None:
    for statement in _AGE:
        await on_the_server(desk, statement, id=run_id)


async def on_the_server(desk: Desk, statement: str, **values: object) -> None:
    """In the Prefect server's own database."""
    server = make_url(desk.stack.variables["DATABASE_URL"]).set(database=PREFECT)
    async with engine_for(server.render_as_string(hide_password=False)).begin() as connection:
        await connection.execute(text(statement), values)


async def unheard(desk: Desk, run_id: UUID, state: str) -> None:
    """The run is in this state, and the event that told of it is lost."""
    for statement in _UNHEARD:
        await on_the_server(desk, statement, id=run_id, type=state.upper(), name=state)


async def is_completed(desk: Desk, run_id: UUID) -> bool:
    return (await desk.prefect.read_flow_run(run_id)).state_name == "Completed"


async def opened(desk: Desk, job_id: str) -> None:
    request = parse_request(desk.small(areas=False), access=Access(allow_local_files=True))
    await desk.ledger.open(job_id, request, actor="test")


@pytest.mark.parametrize("state", ["Pending", "Running", "Crashed"])
async def test_a_run_that_died_before_its_job_was_on_the_books_is_run(desk: Desk, job_id: str, state: str) -> None:
    run = await left(desk, job_id, Pending())
    await unheard(desk, run.id, state)
    assert "set it to AwaitingRetry" in (await swept(desk, dry_run=True))[job_id]["would do"]
    with pytest.raises(UnknownJob):
        await desk.ledger.job(job_id)
    assert (await swept(desk, dry_run=False))[job_id]["reason"] == "it died before its job was on the books"
    await until(lambda: is_completed(desk, run.id))
    assert (await desk.ledger.job(job_id)).status == Status.COMPLETED
    assert await paid(desk, job_id) == (1, 0)


async def test_a_run_that_was_cancelled_and_whose_worker_died_before_it_was_is_cancelled(
    desk: Desk, job_id: str
) -> None:
    run = await left(desk, job_id, Cancelling())
    await swept(desk, dry_run=False)
    assert (await desk.prefect.read_flow_run(run.id)).state_name == "Cancelled"


async def test_a_run_whose_job_another_run_has_completed_ends_as_completed(desk: Desk, job_id: str) -> None:
    await desk.run_here(desk.small(areas=False), job_id)
    run = await left(desk, job_id, Running())
    assert (await swept(desk, dry_run=False))[job_id]["reason"] == "its process is gone"
    await until(lambda: is_completed(desk, run.id))
    assert await paid(desk, job_id) == (1, 0)


async def test_a_run_that_died_before_it_let_go_of_its_completed_job_lets_go_of_it(desk: Desk, job_id: str) -> None:
    await desk.run_here(desk.small(areas=False), job_id)
    run = await left(desk, job_id, Running())
    long_ago = -3600
    await desk.ledger.claim(Lease(job_id, f"{run.id}/1"), long_ago)
    assert "let go of its job" in (await swept(desk, dry_run=False))[job_id]["reason"]
    await until(lambda: is_completed(desk, run.id))
    assert (await desk.ledger.job(job_id)).lease_holder is None
    assert await paid(desk, job_id) == (1, 0)


async def test_a_subflow_whose_caller_is_gone_is_crashed(desk: Desk, job_id: str) -> None:
    await desk.run_here(desk.small(areas=False), job_id)
    caller = await left(desk, job_id, Running())
    call = await desk.prefect.create_task_run(submit_lip_sync, caller.id, dynamic_key="0")
    run = await desk.prefect.create_flow_run(
        remove_text, name=f"remove text from {job_id}", parent_task_run_id=call.id, state=Running()
    )
    await aged(desk, run.id)
    assert "the run that called it is gone" in (await swept(desk, dry_run=False))[job_id]["reason"]
    assert (await desk.prefect.read_flow_run(run.id)).state_name == "Crashed"


async def test_a_run_that_is_at_work_on_its_job_is_left_alone(desk: Desk, job_id: str) -> None:
    run = await left(desk, job_id, Running())
    await opened(desk, job_id)
    await desk.ledger.claim(Lease(job_id, f"{run.id}/1"), 60)
    assert job_id not in await swept(desk, dry_run=False)
    assert (await desk.prefect.read_flow_run(run.id)).state_name == "Running"
    await desk.prefect.delete_flow_run(run.id)


async def test_a_young_run_is_left_alone(desk: Desk, job_id: str) -> None:
    deployment = await desk.prefect.read_deployment_by_name(DEPLOYMENT)
    run = await desk.prefect.create_flow_run_from_deployment(
        deployment.id, parameters={**desk.small(), "job_id": job_id}, state=Pending()
    )
    assert job_id not in await swept(desk, dry_run=False)
    await desk.prefect.delete_flow_run(run.id)


async def test_a_cancellation_that_its_worker_could_not_record_is_recorded_and_nothing_more_is_bought(
    desk: Desk, job_id: str
) -> None:
    run = await left(desk, job_id, Cancelled())
    await opened(desk, job_id)
    lease = Lease(job_id, f"{run.id}/1")
    await desk.ledger.claim(lease, 0)
    await age(desk, job_id)
    assert (await swept(desk, dry_run=True))[job_id]["verdict"] == "cancel"
    assert (await desk.ledger.job(job_id)).status == Status.PROCESSING
    await swept(desk, dry_run=False)
    job = await desk.ledger.job(job_id)
    assert job.status == Status.CANCELLED
    assert "nothing was paid for" in str(job.error_message)
    assert await desk.ledger.live_submission(job_id, Stage.LIP_SYNC) is None
    assert await paid(desk, job_id) == (0, 0)
