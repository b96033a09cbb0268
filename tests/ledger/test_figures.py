"""What is counted over all jobs. Other tests' jobs are in the same database, so each test looks at what it added."""

from collections import Counter
from decimal import Decimal

from tests.ledger.conftest import Opened
from videojobs.costs import Cost
from videojobs.ledger import Lease, Ledger, SubmissionState
from videojobs.ledger.figures import Submitted
from videojobs.states import Point, Stage, Status


async def standing(ledger: Ledger) -> Counter[tuple[Status, Point, bool]]:
    return Counter({(row.status, row.point, row.parked): row.count for row in await ledger.unfinished()})


async def submitted(ledger: Ledger, stage: Stage, state: str) -> Submitted | None:
    rows = await ledger.submitted_lately()
    return next((row for row in rows if (row.stage, row.state) == (stage, state)), None)


async def bought(ledger: Ledger, lease: Lease) -> None:
    """A lip-sync for two dollars, delivered."""
    await ledger.advance(lease, Point.UPLOADED)
    cost = Cost(usd=Decimal(2), seconds=10, basis="price list")
    submission = (await ledger.intend(lease, Stage.LIP_SYNC, lambda _: b"{}", cost=cost)).submission
    await ledger.accept(lease, submission, Point.LIP_SYNC_SUBMITTED, vendor_id=lease.job_id, answer={}, metadata={})
    await ledger.settle(lease, submission, SubmissionState.DONE)


async def test_unfinished_jobs_are_counted_where_they_stand_and_ended_ones_by_their_end(
    ledger: Ledger, opened: Opened
) -> None:
    before, ended = await standing(ledger), await ledger.ended_lately()
    lease = await opened()
    assert await standing(ledger) - before == Counter({(Status.PROCESSING, Point.OPENED, False): 1})
    await ledger.advance(lease, Point.UPLOADED)
    await ledger.park(lease, "nobody knows")
    assert await standing(ledger) - before == Counter({(Status.PROCESSING, Point.UPLOADED, True): 1})
    await ledger.fail(lease, "given up")
    assert await standing(ledger) == before
    assert (await ledger.ended_lately())[Status.FAILED] == ended.get(Status.FAILED, 0) + 1


async def test_the_oldest_of_those_that_stand_alike_tells_their_age(ledger: Ledger, opened: Opened) -> None:
    await opened()
    ages = [row.oldest_seconds for row in await ledger.unfinished()]
    assert all(0 <= age < 3600 for age in ages)


async def test_submissions_are_counted_by_their_fate_with_how_long_the_vendor_took(
    ledger: Ledger, opened: Opened
) -> None:
    before = await submitted(ledger, Stage.LIP_SYNC, SubmissionState.DONE)
    await bought(ledger, await opened())
    found = await submitted(ledger, Stage.LIP_SYNC, SubmissionState.DONE)
    assert found is not None
    assert found.count == (before.count if before else 0) + 1
    assert found.median_seconds is not None
    assert found.slow_seconds is not None
    assert 0 <= found.median_seconds <= found.slow_seconds < 60


async def test_what_is_spent_today_is_summed_by_stage(ledger: Ledger, opened: Opened) -> None:
    before = (await ledger.spent_today()).get(Stage.LIP_SYNC)
    await bought(ledger, await opened())
    after = (await ledger.spent_today())[Stage.LIP_SYNC]
    assert after.usd - (before.usd if before else 0) == 2
