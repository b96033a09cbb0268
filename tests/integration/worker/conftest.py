"""A stack without a worker: each test starts the workers that it needs, and stops or kills them."""

from collections.abc import AsyncIterator

import pytest

from deployments.local.stack.prefect_client import prefect_client
from deployments.local.stack.stack import Stack
from deployments.server.environment import EMPTY_ENVIRONMENT
from tests.acceptance.conftest import StackDriver
from tests.support.short_clip import write_short_inputs
from tests.support.worker_pool import WorkerPool

WORKER_SETTINGS = {
    "VIDEOJOBS_RETRY_DELAY_SECONDS": "0.2",
    "VIDEOJOBS_LEASE_SECONDS": "3",  # how long a killed run keeps its job
    "VIDEOJOBS_HEARTBEAT_TIMEOUT_SECONDS": "31",  # just above the minimum
    "VIDEOJOBS_WORKER_HEARTBEAT_SECONDS": "3",
    "VIDEOJOBS_WORKER_ORPHAN_SCAN_INTERVAL_SECONDS": "3",
    "VIDEOJOBS_WORKER_DRAIN_SECONDS": "1",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "VIDEOJOBS_SLOTS_SYNC_SO": "20",  # killed workers keep theirs for minutes, and no clean-up runs here
}


@pytest.fixture(scope="session")
async def driver(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StackDriver]:
    folder = tmp_path_factory.mktemp("worker")
    stack = Stack(
        data=folder / "data",
        environment=EMPTY_ENVIRONMENT,
        services=["registration"],
        processing_seconds=0.5,
        settings=WORKER_SETTINGS,
        keep_data=False,
    )
    async with stack, prefect_client(stack.variables) as prefect:
        clip = write_short_inputs(folder / "clip")
        yield StackDriver(stack, clip, clip, prefect, folder)


@pytest.fixture
async def worker_pool(driver: StackDriver, request: pytest.FixtureRequest) -> AsyncIterator[WorkerPool]:
    """A pool without workers. It is created by the test's first worker."""
    worker_pool = WorkerPool(driver, name=request.node.name[:60])
    yield worker_pool
    await worker_pool.kill_all()


@pytest.fixture(scope="module")
async def shared_pool(driver: StackDriver) -> AsyncIterator[WorkerPool]:
    """One worker in the pool that `make deploy` creates, shared by all tests of a file that leave it alive."""
    worker_pool = WorkerPool(driver)
    await worker_pool.start_worker("one")
    yield worker_pool
    await worker_pool.kill_all()


@pytest.fixture
async def slow_sync_so(driver: StackDriver) -> AsyncIterator[None]:
    await driver.update_vendor_settings("sync_so", processing_seconds=3600)
    yield
    await driver.update_vendor_settings("sync_so", processing_seconds=0.5)
