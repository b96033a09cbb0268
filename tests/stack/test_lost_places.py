"""Places at a vendor that the Prefect server counts as taken for nobody, as one leaves behind that was killed."""

from collections.abc import AsyncIterator
from typing import Final

import pytest

from tasks import lost_places
from tasks.slots import SYNC_SO_GENERATIONS, slot
from tests.stack.conftest import Desk
from tests.stack.test_cleanup import swept
from tests.stack.test_lost_runs import opened
from videojobs.ledger import Lease
from videojobs.states import Stage

pytestmark = pytest.mark.usefixtures("here", "no_scheduled_cleanup")

LOST: Final = 2


@pytest.fixture
async def taken(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """The number of places that are taken, `LOST` of them for nobody: counted, and no lease was noted."""
    monkeypatch.setattr(lost_places, "PAUSE_SECONDS", 0.1)
    before = await places(desk)
    await desk.prefect.increment_concurrency_slots([SYNC_SO_GENERATIONS], LOST, "concurrency")
    yield before + LOST
    if left := await places(desk) - before:
        await desk.prefect.release_concurrency_slots([SYNC_SO_GENERATIONS], left, 1)


async def places(desk: Desk) -> int:
    return (await desk.prefect.read_global_concurrency_limit_by_name(SYNC_SO_GENERATIONS)).active_slots


async def test_places_that_no_job_has_are_given_back_and_a_dry_run_only_says_so(desk: Desk, taken: int) -> None:
    row = (await swept(desk, dry_run=True))[SYNC_SO_GENERATIONS]
    assert (row["verdict"], row["would do"]) == ("give back", f"give back {taken}")
    assert await places(desk) == taken
    assert (await swept(desk, dry_run=False))[SYNC_SO_GENERATIONS]["done"] == f"{taken} were given back"
    assert await places(desk) == 0


async def test_the_place_of_a_job_in_flight_is_its_own(desk: Desk, job_id: str, taken: int) -> None:
    await opened(desk, job_id)
    lease = Lease(job_id, "run/1")
    await desk.ledger.claim(lease, 60)
    async with slot(SYNC_SO_GENERATIONS):
        await desk.ledger.intend(lease, Stage.LIP_SYNC, lambda _: b"{}")
        await swept(desk, dry_run=False)
        assert await places(desk) == 1
    assert SYNC_SO_GENERATIONS not in await swept(desk, dry_run=True)
    await desk.ledger.fail(lease, "the test is over")
