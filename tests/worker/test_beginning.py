"""Only some runs of a worker begin at once: the next one begins when one of them waits for others, or is over."""

from typing import Any

import pytest
from prefect import Flow

from tests.worker.crew import Crew
from tests.worker.small_flows import nap, nap_at_rest

LONG = 3600.0
ONE = {"VIDEOJOBS_WORKER_STARTS_AT_ONCE": "1"}
PATIENT = ONE | {"VIDEOJOBS_WORKER_BEGIN_SECONDS": str(LONG)}
IMPATIENT = ONE | {"VIDEOJOBS_WORKER_BEGIN_SECONDS": "1"}


async def test_the_next_run_begins_when_the_one_before_it_is_over(crew: Crew) -> None:
    crew.more = PATIENT
    await crew.worker("one-by-one", "--type", "coroutine")
    given = [await crew.give(nap, seconds=seconds) for seconds in (1.5, 0.1, 0.1, 0.1)]
    ended = [await crew.comes_to(run, "Completed") for run in given]
    ends = [run.end_time for run in ended[:-1]]
    begins = [run.start_time for run in ended[1:]]
    assert all(end and begin and end <= begin for end, begin in zip(ends, begins, strict=True))


@pytest.mark.parametrize(("flow", "settings"), [(nap_at_rest, PATIENT), (nap, IMPATIENT)], ids=["waits", "takes-long"])
async def test_a_run_makes_room_for_the_next_one_when_it(
    crew: Crew, flow: Flow[..., Any], settings: dict[str, str]
) -> None:
    crew.more = settings
    await crew.worker("one-by-one", "--type", "coroutine")
    first = await crew.comes_to(await crew.give(flow, seconds=LONG), "Running")
    await crew.comes_to(await crew.give(nap, seconds=0.1), "Completed")
    assert (await crew.look(first)).state_name == "Running"


async def test_a_job_at_its_vendor_makes_room_for_the_next_one(crew: Crew, slow_sync_so: None) -> None:
    crew.more = PATIENT
    await crew.worker("one-by-one", "--type", "coroutine")
    jobs = [await crew.job(), await crew.job()]
    for _, job_id in jobs:
        await crew.accepted(job_id)
    await crew.desk.settings("sync_so", processing_seconds=0.5)
    for run, _ in jobs:
        await crew.comes_to(run, "Completed")
