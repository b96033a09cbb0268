"""What becomes of jobs when their worker ends: asked to, or killed."""

from signal import SIGTERM
from typing import Any

from prefect.client.schemas.actions import WorkPoolCreate
from prefect.states import Cancelling
from prefect.workers.process import ProcessWorker

from tests.worker.crew import Crew
from tests.worker.small_flows import nap
from videojobs.ledger import SubmissionState
from videojobs.states import Stage, Status


async def test_a_worker_that_is_asked_to_stop_ends_its_paid_call_and_hands_the_job_to_another_one(crew: Crew) -> None:
    first = await crew.worker("leaving", "--type", "coroutine")
    run, job_id = await crew.job(areas=True)
    await crew.desk.fault("ghostcut", "slow", job_id, when="after", seconds=4)
    await crew.bought(job_id, "ghostcut")  # on its books; its answer is on its way
    await first.stop(SIGTERM, patience=30)
    assert await first.ended() == 0
    assert await crew.desk.submission(job_id, Stage.TEXT_REMOVAL) == SubmissionState.ACCEPTED
    assert (await crew.desk.ledger.job(job_id)).lease_holder is None
    assert (await crew.states(run))[-2:] == ["Running", "AwaitingRetry"]

    await crew.worker("coming")
    assert (await crew.comes_to(run, "Completed")).run_count == 2
    assert (await crew.desk.ledger.job(job_id)).status == Status.COMPLETED
    assert [len(await crew.desk.paid(vendor, job_id)) for vendor in ("sync_so", "ghostcut")] == [1, 1]


async def test_runs_that_are_about_to_end_may_end_when_the_worker_is_asked_to_stop(crew: Crew) -> None:
    worker = await crew.worker("patient", "--type", "coroutine")
    run = await crew.give(nap, seconds=0.5)
    await crew.comes_to(run, "Running")
    await worker.stop(SIGTERM, patience=30)
    assert (await crew.look(run)).state_name == "Completed"


async def test_a_worker_that_a_script_put_into_the_background_stops_when_it_is_asked_to(crew: Crew) -> None:
    deaf_to_ctrl_c = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
    worker = await crew.worker("background", "--type", "coroutine", by=deaf_to_ctrl_c)
    await worker.stop(SIGTERM, patience=30)
    assert await worker.ended() == 0


async def test_when_a_worker_is_killed_its_jobs_go_on_with_the_next_one_and_a_cancelled_one_ends(
    crew: Crew, slow_sync_so: None
) -> None:
    first = await crew.worker("doomed", "--type", "coroutine")
    (run, job_id), (unwanted, unwanted_id) = await crew.job(), await crew.job()
    for each in (job_id, unwanted_id):
        await crew.accepted(each)
    await first.kill()
    await crew.set(unwanted, Cancelling())
    await crew.desk.settings("sync_so", processing_seconds=0.5)
    await crew.worker("heir")

    assert (await crew.comes_to(run, "Completed", patience=90)).run_count == 2
    assert (await crew.states(run)).count("Crashed") == 1
    assert (await crew.desk.ledger.job(job_id)).status == Status.COMPLETED
    await crew.comes_to(unwanted, "Cancelled")
    assert "paid for" in str((await crew.desk.ledger.job(unwanted_id)).error_message)
    assert [len(await crew.desk.paid("sync_so", each)) for each in (job_id, unwanted_id)] == [1, 1]


async def test_the_same_flow_runs_unchanged_on_prefects_own_process_worker(crew: Crew) -> None:
    template: dict[str, Any] = ProcessWorker.get_default_base_job_template()
    await crew.prefect.create_work_pool(WorkPoolCreate(name=crew.pool, type="process", base_job_template=template))
    await crew.worker("stock")
    run, job_id = await crew.job()
    await crew.comes_to(run, "Completed", "Failed", "Crashed", "Parked", patience=90)
    assert (await crew.desk.ledger.job(job_id)).status == Status.COMPLETED
