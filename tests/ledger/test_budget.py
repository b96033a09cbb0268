"""Budgets on a real Postgres: what counts, what is refused, and that ten jobs at once cannot outwit one."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from tests.ledger.conftest import Opened, a_request
from videojobs.costs import Amount, Budget, Cost
from videojobs.errors import BudgetExceeded
from videojobs.ledger import Intent, Lease, Ledger, Submission, SubmissionState, engine_for
from videojobs.states import Point, Stage

LIP_SYNC = Cost(usd=Decimal("0.5"), seconds=10, basis="price list")
TEXT_REMOVAL = Cost(usd=Decimal("0.2"), points=Decimal(2), seconds=10, basis="price list")


def a_body(_: Submission) -> bytes:
    return b"the exact bytes"


async def a_job(ledger: Ledger) -> Lease:
    """Uploaded, and held by a run."""
    lease = Lease(f"job-{uuid.uuid4()}", "run-1/1")
    await ledger.open(lease.job_id, a_request(areas=1), actor="test")
    assert await ledger.claim(lease, seconds=60) is None
    await ledger.advance(lease, Point.UPLOADED)
    return lease


async def buy(ledger: Ledger, lease: Lease, cost: Cost = LIP_SYNC, budget: Budget | None = None) -> Intent:
    stage = Stage.TEXT_REMOVAL if cost.points else Stage.LIP_SYNC
    return await ledger.intend(lease, stage, a_body, cost=cost, budget=budget or Budget())


async def today(ledger: Ledger, lease: Lease) -> Amount:
    return (await ledger.booked(lease.job_id)).today


async def room_for(ledger: Ledger, lease: Lease, more: str) -> Budget:
    """A budget of the day that leaves so many dollars, beside what other tests have bought."""
    return Budget(day_usd=(await today(ledger, lease)).usd + Decimal(more))


@pytest.fixture
async def lease(ledger: Ledger) -> Lease:
    return await a_job(ledger)


async def test_ten_jobs_at_once_buy_no_more_than_the_day_allows(ledger: Ledger) -> None:
    leases = [await a_job(ledger) for _ in range(10)]
    budget = await room_for(ledger, leases[0], "1.6")  # three of them, and not quite a fourth
    outcomes = await asyncio.gather(*(buy(ledger, lease, LIP_SYNC, budget) for lease in leases), return_exceptions=True)
    assert sum(isinstance(outcome, Intent) for outcome in outcomes) == 3
    assert sum(isinstance(outcome, BudgetExceeded) for outcome in outcomes) == 7
    rows = [row for lease in leases for row in await ledger.submissions(lease.job_id)]
    assert [row.estimated_usd for row in rows] == [Decimal("0.5")] * 3


async def test_a_refusal_leaves_nothing_on_the_books(ledger: Ledger, lease: Lease) -> None:
    before = await ledger.events(lease.job_id)
    with pytest.raises(BudgetExceeded):
        await buy(ledger, lease, LIP_SYNC, Budget(job_usd=Decimal("0.49")))
    assert await ledger.submissions(lease.job_id) == []
    assert len(await ledger.events(lease.job_id)) == len(before)
    intent = await buy(ledger, lease, LIP_SYNC, Budget(job_usd=Decimal("0.5")))
    assert (intent.fresh, intent.submission.attempt) == (True, 1)


async def test_what_was_intended_before_is_not_held_against_a_budget_again(ledger: Ledger, lease: Lease) -> None:
    first = await buy(ledger, lease)
    again = await buy(ledger, lease, LIP_SYNC, Budget(job_usd=Decimal(0), day_usd=Decimal(0)))
    assert (again.submission.id, again.fresh) == (first.submission.id, False)


async def test_a_submission_that_waits_is_booked_and_needs_no_second_budget(ledger: Ledger, lease: Lease) -> None:
    """Else ten jobs that wait for the vendor would all be sent, and each would have seen an empty day."""
    budget = await room_for(ledger, lease, "0.9")
    first = await buy(ledger, lease)
    await ledger.settle(lease, first.submission, SubmissionState.WAITING, error="429")
    with pytest.raises(BudgetExceeded):
        await buy(ledger, await a_job(ledger), LIP_SYNC, budget)
    again = await buy(ledger, lease, LIP_SYNC, Budget(day_usd=Decimal(0)))
    assert (again.submission.id, again.fresh) == (first.submission.id, True)


async def test_both_stages_of_a_job_count_towards_its_budget(ledger: Ledger, lease: Lease) -> None:
    await buy(ledger, lease)
    assert (await ledger.booked(lease.job_id)).job == Amount(usd=Decimal("0.5"))
    with pytest.raises(BudgetExceeded, match=r"booked for this job before 0\.5 USD"):
        await buy(ledger, lease, TEXT_REMOVAL, Budget(job_usd=Decimal("0.69")))
    await buy(ledger, lease, TEXT_REMOVAL, Budget(job_usd=Decimal("0.7"), job_points=Decimal(2)))
    assert (await ledger.booked(lease.job_id)).job == Amount(Decimal("0.7"), Decimal(2))


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        (SubmissionState.WAITING, True),
        (SubmissionState.UNKNOWN, True),
        (SubmissionState.FAILED, True),  # some vendors are paid for trying
        (SubmissionState.DONE, True),
        (SubmissionState.REFUSED, False),  # the one outcome that surely costs nothing
    ],
)
async def test_everything_counts_but_what_was_surely_not_bought(
    ledger: Ledger, lease: Lease, state: SubmissionState, counts: bool
) -> None:
    intent = await buy(ledger, lease)
    await ledger.settle(lease, intent.submission, state)
    assert (await ledger.booked(lease.job_id)).job.usd == (Decimal("0.5") if counts else 0)


async def test_what_an_operator_wrote_off_counts_since_it_may_have_been_paid(ledger: Ledger, lease: Lease) -> None:
    intent = await buy(ledger, lease)
    await ledger.write_off(lease, intent.submission, {"decision": "resubmit"})
    with pytest.raises(BudgetExceeded):
        await buy(ledger, lease, LIP_SYNC, Budget(job_usd=Decimal("0.9")))


@pytest.mark.parametrize(
    ("paid", "booked"),
    [
        (None, Amount(Decimal("0.2"), Decimal(2))),
        ("3", Amount(Decimal("0.3"), Decimal(3))),
        ("0", Amount()),  # as GhostCut says of a work that failed
    ],
)
async def test_what_the_vendor_says_it_took_replaces_the_estimate(
    ledger: Ledger, lease: Lease, paid: str | None, booked: Amount
) -> None:
    intent = await buy(ledger, lease, TEXT_REMOVAL)
    await ledger.settle(
        lease, intent.submission, SubmissionState.FAILED, paid_points=None if paid is None else Decimal(paid)
    )
    assert (await ledger.booked(lease.job_id)).job == booked


async def test_a_day_begins_at_midnight_utc_whatever_the_zone_of_the_database(
    ledger: Ledger, lease: Lease, database_url: str
) -> None:
    elsewhere = Ledger(engine_for(f"{database_url}?options=-ctimezone%3DPacific/Auckland"))
    before = await today(elsewhere, lease)
    late, early = await buy(ledger, lease), await buy(ledger, lease, TEXT_REMOVAL)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for intent, moment in ((late, midnight - timedelta(seconds=1)), (early, midnight)):
        async with engine_for(database_url).begin() as connection:
            await connection.execute(
                update(Submission).where(Submission.id == intent.submission.id).values(intended_at=moment)
            )
    assert await today(elsewhere, lease) == before + TEXT_REMOVAL.amount
    assert (await ledger.booked(lease.job_id)).job == LIP_SYNC.amount + TEXT_REMOVAL.amount


async def test_the_first_estimate_stays_and_is_one_event(ledger: Ledger, opened: Opened) -> None:
    lease = await opened()
    first = {"lip_sync": {"usd": "0.5", "seconds": 10.0, "basis": "price list"}}
    await ledger.estimate(lease, first)
    job = await ledger.estimate(lease, {"lip_sync": {"usd": "9", "seconds": 10.0, "basis": "price list"}})
    assert job.estimate == first
    told = [event.detail for event in await ledger.events(lease.job_id) if event.kind == "estimated"]
    assert told == [first]
