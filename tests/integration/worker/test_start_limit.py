"""A worker starts a limited number of runs at once: the next one starts when one of them waits or ends."""

from typing import Any

import pytest
from prefect import Flow

from tests.support.small_flows import nap, nap_while_idle
from tests.support.worker_pool import WorkerPool

LONG_SECONDS = 3600.0
ONE_START = {"VIDEOJOBS_WORKER_MAX_CONCURRENT_STARTS": "1"}
LONG_START_TIMEOUT = ONE_START | {"VIDEOJOBS_WORKER_START_TIMEOUT_SECONDS": str(LONG_SECONDS)}
SHORT_START_TIMEOUT = ONE_START | {"VIDEOJOBS_WORKER_START_TIMEOUT_SECONDS": "1"}


async def test_the_next_run_starts_when_the_previous_one_ends(worker_pool: WorkerPool) -> None:
    worker_pool.extra_variables = LONG_START_TIMEOUT
    await worker_pool.start_worker("one-by-one", "--type", "coroutine")
    given = [await worker_pool.start_run(nap, seconds=seconds) for seconds in (1.5, 0.1, 0.1, 0.1)]
    ended = [await worker_pool.wait_for_state(run, "Completed") for run in given]
    ends = [run.end_time for run in ended[:-1]]
    begins = [run.start_time for run in ended[1:]]
    assert all(end and begin and end <= begin for end, begin in zip(ends, begins, strict=True))


@pytest.mark.parametrize(
    ("flow", "settings"),
    [(nap_while_idle, LONG_START_TIMEOUT), (nap, SHORT_START_TIMEOUT)],
    ids=["waits", "takes-long"],
)
async def test_a_run_frees_its_start_slot_when_it(
    worker_pool: WorkerPool, flow: Flow[..., Any], settings: dict[str, str]
) -> None:
    worker_pool.extra_variables = settings
    await worker_pool.start_worker("one-by-one", "--type", "coroutine")
    first = await worker_pool.wait_for_state(await worker_pool.start_run(flow, seconds=LONG_SECONDS), "Running")
    await worker_pool.wait_for_state(await worker_pool.start_run(nap, seconds=0.1), "Completed")
    assert (await worker_pool.read_run(first)).state_name == "Running"


async def test_a_job_waiting_for_its_vendor_frees_its_start_slot(worker_pool: WorkerPool, slow_sync_so: None) -> None:
    worker_pool.extra_variables = LONG_START_TIMEOUT
    await worker_pool.start_worker("one-by-one", "--type", "coroutine")
    jobs = [await worker_pool.start_job(), await worker_pool.start_job()]
    for _, job_id in jobs:
        await worker_pool.wait_until_accepted(job_id)
    await worker_pool.driver.update_vendor_settings("sync_so", processing_seconds=0.5)
    for run, _ in jobs:
        await worker_pool.wait_for_state(run, "Completed")
