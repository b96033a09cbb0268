"""Places at a vendor that the Prefect server counts as taken for nobody, as one leaves behind that was killed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import pytest
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate

from tasks import lost_places
from tasks.slots import SYNC_SO_GENERATIONS
from tests.stack.conftest import Desk
from tests.stack.test_cleanup import swept
from tests.stack.test_lost_runs import opened
from videojobs.ledger import Lease
from videojobs.states import Stage

pytestmark = pytest.mark.usefixtures("here", "no_scheduled_cleanup")

LOST: Final = 2


@pytest.fixture
async def count(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Has the server count so many places more than the jobs of the stack may have, without a lease for any."""
    monkeypatch.setattr(lost_places, "PAUSE_SECONDS", 0.1)

    async def set_to(places: int) -> None:
        wanted = GlobalConcurrencyLimitUpdate(active_slots=places)
        await desk.prefect.update_global_concurrency_limit(SYNC_SO_GENERATIONS, wanted)

    before = await taken(desk)
    yield set_to
    await set_to(before)


async def taken(desk: Desk) -> int:
    return (await desk.prefect.read_global_concurrency_limit_by_name(SYNC_SO_GENERATIONS)).active_slots


async def owed(desk: Desk) -> int:
    """The places that jobs of this stack may have; other tests have left some waiting."""
    return await desk.ledger.places(Stage.LIP_SYNC, lost_places.until_free())


async def test_places_that_no_job_has_are_given_back_and_a_dry_run_only_says_so(
    desk: Desk, count: Callable[[int], Awaitable[None]]
) -> None:
    theirs = await owed(desk)
    await count(theirs + LOST)
    row = (await swept(desk, dry_run=True))[SYNC_SO_GENERATIONS]
    assert (row["verdict"], row["would do"]) == ("give back", "give back 2")
    assert await taken(desk) == theirs + LOST
    assert (await swept(desk, dry_run=False))[SYNC_SO_GENERATIONS]["done"] == "2 were given back"
    assert await taken(desk) == theirs


async def test_the_place_of_a_job_in_flight_is_its_own(
    desk: Desk, job_id: str, count: Callable[[int], Awaitable[None]]
) -> None:
    theirs = await owed(desk)
    await opened(desk, job_id)
    lease = Lease(job_id, "run/1")
    await desk.ledger.claim(lease, 60)
    await desk.ledger.intend(lease, Stage.LIP_SYNC, lambda _: b"{}")
    await count(theirs + 1)
    assert SYNC_SO_GENERATIONS not in await swept(desk, dry_run=False)
    assert await taken(desk) == theirs + 1
    await desk.ledger.fail(lease, "the test is over")
    assert "give back 1" in (await swept(desk, dry_run=True))[SYNC_SO_GENERATIONS]["would do"]
