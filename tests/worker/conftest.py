"""A stack without a worker: each test starts the workers that it needs, and stops or kills them."""

from collections.abc import AsyncIterator

import pytest

from deployments.environment import NOTHING_GIVEN
from deployments.local.prefect_client import prefect_client
from deployments.local.stack import Stack
from tests.stack.conftest import Desk
from tests.stack.short_clip import write_inputs
from tests.worker.crew import Crew

SETTINGS = {
    "VIDEOJOBS_RETRY_DELAY_SECONDS": "0.2",
    "VIDEOJOBS_LEASE_SECONDS": "3",  # how long a killed run keeps its job
    "VIDEOJOBS_SILENCE_SECONDS": "31",  # just above the least that it takes
    "VIDEOJOBS_WORKER_HEARTBEAT_SECONDS": "3",
    "VIDEOJOBS_WORKER_SWEEP_SECONDS": "3",
    "VIDEOJOBS_WORKER_DRAIN_SECONDS": "1",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
}


@pytest.fixture(scope="session")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("worker")
    stack = Stack(
        data=folder / "data",
        environment=NOTHING_GIVEN,
        wanted=["registration"],
        processing_seconds=0.5,
        settings=SETTINGS,
        keep=False,
    )
    async with stack, prefect_client(stack.variables) as prefect:
        clip = write_inputs(folder / "clip")
        yield Desk(stack, clip, clip, prefect, folder)


@pytest.fixture
async def crew(desk: Desk, request: pytest.FixtureRequest) -> AsyncIterator[Crew]:
    """No worker yet, and no pool: the test's first worker makes one of its own."""
    crew = Crew(desk, pool=request.node.name[:60])
    yield crew
    await crew.dismiss()


@pytest.fixture(scope="module")
async def one(desk: Desk) -> AsyncIterator[Crew]:
    """A crew of one worker, for all tests of a file that leave it alive, in the pool that `make register` makes."""
    crew = Crew(desk)
    await crew.worker("one")
    yield crew
    await crew.dismiss()


@pytest.fixture
async def slow_sync_so(desk: Desk) -> AsyncIterator[None]:
    await desk.settings("sync_so", processing_seconds=3600)
    yield
    await desk.settings("sync_so", processing_seconds=0.5)
