"""The jobs of a worker that is stopped or killed."""

from signal import SIGTERM
from typing import Any

from prefect.client.schemas.actions import WorkPoolCreate
from prefect.states import Cancelling
from prefect.workers.process import ProcessWorker

from tests.support.small_flows import nap
from tests.support.worker_pool import WorkerPool
from videojobs.db import SubmissionState
from videojobs.states import Stage, Status


async def test_sigterm_finishes_the_paid_call_and_hands_over_the_job(worker_pool: WorkerPool) -> None:
    first = await worker_pool.start_worker("leaving", "--type", "coroutine")
    run, job_id = await worker_pool.start_job(areas=True)
    await worker_pool.driver.inject_fault("ghostcut", "slow", job_id, when="after", seconds=4)
    await worker_pool.wait_until_submitted(job_id, "ghostcut")  # recorded by the vendor; the response is on its way
    await first.stop(SIGTERM, timeout=30)
    assert await first.wait() == 0
    assert await worker_pool.driver.submission_state(job_id, Stage.TEXT_REMOVAL) == SubmissionState.ACCEPTED
    assert (await worker_pool.driver.repository.get_job(job_id)).lease_holder is None
    assert (await worker_pool.state_names(run))[-2:] == ["Running", "AwaitingRetry"]

    await worker_pool.start_worker("coming")
    assert (await worker_pool.wait_for_state(run, "Completed")).run_count == 2
    assert (await worker_pool.driver.repository.get_job(job_id)).status == Status.COMPLETED
    assert [len(await worker_pool.driver.vendor_submissions(vendor, job_id)) for vendor in ("sync_so", "ghostcut")] == [
        1,
        1,
    ]


async def test_sigterm_lets_runs_that_are_nearly_done_finish(worker_pool: WorkerPool) -> None:
    worker = await worker_pool.start_worker("patient", "--type", "coroutine")
    run = await worker_pool.start_run(nap, seconds=0.5)
    await worker_pool.wait_for_state(run, "Running")
    await worker.stop(SIGTERM, timeout=30)
    assert (await worker_pool.read_run(run)).state_name == "Completed"


async def test_a_background_worker_stops_on_sigterm(worker_pool: WorkerPool) -> None:
    deaf_to_ctrl_c = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
    worker = await worker_pool.start_worker("background", "--type", "coroutine", command_prefix=deaf_to_ctrl_c)
    await worker.stop(SIGTERM, timeout=30)
    assert await worker.wait() == 0


async def test_jobs_of_a_killed_worker_resume_on_the_next_worker(worker_pool: WorkerPool, slow_sync_so: None) -> None:
    first = await worker_pool.start_worker("doomed", "--type", "coroutine")
    (run, job_id), (unwanted, unwanted_id) = await worker_pool.start_job(), await worker_pool.start_job()
    for each in (job_id, unwanted_id):
        await worker_pool.wait_until_accepted(each)
    await first.kill()
    await worker_pool.set_state(unwanted, Cancelling())
    await worker_pool.driver.update_vendor_settings("sync_so", processing_seconds=0.5)
    await worker_pool.start_worker("heir")

    assert (await worker_pool.wait_for_state(run, "Completed", timeout=90)).run_count == 2
    assert (await worker_pool.state_names(run)).count("Crashed") == 1
    assert (await worker_pool.driver.repository.get_job(job_id)).status == Status.COMPLETED
    await worker_pool.wait_for_state(unwanted, "Cancelled")
    assert "paid for" in str((await worker_pool.driver.repository.get_job(unwanted_id)).error_message)
    assert [len(await worker_pool.driver.vendor_submissions("sync_so", each)) for each in (job_id, unwanted_id)] == [
        1,
        1,
    ]


async def test_the_flow_runs_unchanged_on_a_stock_process_worker(worker_pool: WorkerPool) -> None:
    template: dict[str, Any] = ProcessWorker.get_default_base_job_template()
    await worker_pool.prefect.create_work_pool(
        WorkPoolCreate(name=worker_pool.name, type="process", base_job_template=template)
    )
    await worker_pool.start_worker("stock")
    run, job_id = await worker_pool.start_job()
    await worker_pool.wait_for_state(run, "Completed", "Failed", "Crashed", "Parked", timeout=90)
    assert (await worker_pool.driver.repository.get_job(job_id)).status == Status.COMPLETED
