"""Vendor slots that the Prefect server counts as taken although no run holds them, as after a kill."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import pytest
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

from tasks.cleanup import orphaned_slots
from tests.acceptance.conftest import StackDriver
from tests.acceptance.test_cleanup import run_cleanup
from tests.acceptance.test_orphaned_runs import create_job
from videojobs.db import Lease
from videojobs.states import Stage

pytestmark = pytest.mark.usefixtures("in_process_flows", "no_scheduled_cleanup")

LOST_SLOTS: Final = 2

SYNC_SO_GENERATIONS = "sync-so-generations"


@pytest.fixture
async def set_slot_count(
    driver: StackDriver, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Make the server count this number of slots more than the stack's jobs may hold, without leases for them."""
    monkeypatch.setattr(orphaned_slots, "RECHECK_DELAY_SECONDS", 0.1)

    async def set_slots(count: int) -> None:
        wanted = GlobalConcurrencyLimitUpdate(active_slots=count)
        await driver.prefect.update_global_concurrency_limit(SYNC_SO_GENERATIONS, wanted)

    before = await slots_in_use(driver)
    yield set_slots
    await set_slots(before)


async def slots_in_use(driver: StackDriver) -> int:
    return (await driver.prefect.read_global_concurrency_limit_by_name(SYNC_SO_GENERATIONS)).active_slots


async def expected_slots(driver: StackDriver) -> int:
    """The slots that jobs of this stack may hold; other tests have left some jobs waiting."""
    return await driver.repository.max_slots_in_use("sync_so", orphaned_slots.slot_release_timeout())


async def test_leaked_vendor_slots_are_released(
    driver: StackDriver, set_slot_count: Callable[[int], Awaitable[None]]
) -> None:
    theirs = await expected_slots(driver)
    await set_slot_count(theirs + LOST_SLOTS)
    row = (await run_cleanup(driver, dry_run=True))[SYNC_SO_GENERATIONS]
    assert (row["action"], row["would do"]) == ("release", "release 2")
    assert await slots_in_use(driver) == theirs + LOST_SLOTS
    assert (await run_cleanup(driver, dry_run=False))[SYNC_SO_GENERATIONS]["done"] == "2 were released"
    assert await slots_in_use(driver) == theirs


async def test_the_slot_of_a_job_in_flight_is_not_released(
    driver: StackDriver, job_id: str, set_slot_count: Callable[[int], Awaitable[None]]
) -> None:
    theirs = await expected_slots(driver)
    await create_job(driver, job_id)
    lease = Lease(job_id, "run/1")
    await driver.repository.acquire_lease(lease, 60)
    await driver.repository.create_intent(lease, Stage.LIP_SYNC, lambda _: b"{}", provider="sync_so")
    await set_slot_count(theirs + 1)
    assert SYNC_SO_GENERATIONS not in await run_cleanup(driver, dry_run=False)
    assert await slots_in_use(driver) == theirs + 1
    await driver.repository.fail(lease, "the test is over")
    assert "release 1" in (await run_cleanup(driver, dry_run=True))[SYNC_SO_GENERATIONS]["would do"]
