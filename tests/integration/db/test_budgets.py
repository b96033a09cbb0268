"""Budgets on a real Postgres: what counts, what is rejected, and that ten concurrent jobs cannot exceed a budget."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import update

from tests.integration.db.conftest import CreateLeasedJob, make_request
from videojobs.db import Intent, JobRepository, Lease, Submission, SubmissionState, get_engine
from videojobs.errors import BudgetExceeded
from videojobs.pipeline.costs import Amount, BudgetSettings, Cost
from videojobs.states import RecoveryPoint, Stage

LIP_SYNC = Cost(usd=Decimal("0.5"), seconds=10, basis="price list")
TEXT_REMOVAL = Cost(usd=Decimal("0.2"), points=Decimal(2), seconds=10, basis="price list")


def make_body(_: Submission) -> bytes:
    return b"the exact bytes"


async def create_uploaded_job(repository: JobRepository) -> Lease:
    """A job at `uploaded`, with its lease held by a run."""
    lease = Lease(f"job-{uuid.uuid4()}", "run-1/1")
    await repository.create(lease.job_id, make_request(areas=1), actor="test")
    assert await repository.acquire_lease(lease, seconds=60) is None
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    return lease


async def create_intent(
    repository: JobRepository, lease: Lease, cost: Cost = LIP_SYNC, budget: BudgetSettings | None = None
) -> Intent:
    stage = Stage.TEXT_REMOVAL if cost.points else Stage.LIP_SYNC
    provider = "ghostcut" if cost.points else "sync_so"
    return await repository.create_intent(
        lease, stage, make_body, provider=provider, cost=cost, budget=budget or BudgetSettings()
    )


async def spend_today(repository: JobRepository, lease: Lease) -> Amount:
    return (await repository.current_spend(lease.job_id)).today


async def budget_with_headroom(repository: JobRepository, lease: Lease, headroom_usd: str) -> BudgetSettings:
    """A daily budget that leaves this amount in dollars, on top of what other tests have bought."""
    return BudgetSettings(day_usd=(await spend_today(repository, lease)).usd + Decimal(headroom_usd))


@pytest.fixture
async def lease(repository: JobRepository) -> Lease:
    return await create_uploaded_job(repository)


async def test_ten_parallel_jobs_stay_within_the_daily_budget(repository: JobRepository) -> None:
    leases = [await create_uploaded_job(repository) for _ in range(10)]
    budget = await budget_with_headroom(repository, leases[0], "1.6")  # three of them, and not quite a fourth
    outcomes = await asyncio.gather(
        *(create_intent(repository, lease, LIP_SYNC, budget) for lease in leases), return_exceptions=True
    )
    assert sum(isinstance(outcome, Intent) for outcome in outcomes) == 3
    assert sum(isinstance(outcome, BudgetExceeded) for outcome in outcomes) == 7
    rows = [row for lease in leases for row in await repository.list_submissions(lease.job_id)]
    assert [row.estimated_usd for row in rows] == [Decimal("0.5")] * 3


async def test_a_refused_purchase_writes_no_rows(repository: JobRepository, lease: Lease) -> None:
    before = await repository.list_events(lease.job_id)
    with pytest.raises(BudgetExceeded):
        await create_intent(repository, lease, LIP_SYNC, BudgetSettings(job_usd=Decimal("0.49")))
    assert await repository.list_submissions(lease.job_id) == []
    assert len(await repository.list_events(lease.job_id)) == len(before)
    intent = await create_intent(repository, lease, LIP_SYNC, BudgetSettings(job_usd=Decimal("0.5")))
    assert (intent.unsent, intent.submission.attempt) == (True, 1)


async def test_an_existing_intent_is_not_checked_against_the_budget(repository: JobRepository, lease: Lease) -> None:
    first = await create_intent(repository, lease)
    again = await create_intent(repository, lease, LIP_SYNC, BudgetSettings(job_usd=Decimal(0), day_usd=Decimal(0)))
    assert (again.submission.id, again.unsent) == (first.submission.id, False)


async def test_a_waiting_submission_counts_as_spent_only_once(repository: JobRepository, lease: Lease) -> None:
    """Otherwise ten jobs that wait for the vendor would all be sent, since each would see an unused daily budget."""
    budget = await budget_with_headroom(repository, lease, "0.9")
    first = await create_intent(repository, lease)
    await repository.record_outcome(lease, first.submission, SubmissionState.WAITING, error="429")
    with pytest.raises(BudgetExceeded):
        await create_intent(repository, await create_uploaded_job(repository), LIP_SYNC, budget)
    again = await create_intent(repository, lease, LIP_SYNC, BudgetSettings(day_usd=Decimal(0)))
    assert (again.submission.id, again.unsent) == (first.submission.id, True)


async def test_both_stages_of_a_job_count_towards_its_budget(repository: JobRepository, lease: Lease) -> None:
    await create_intent(repository, lease)
    assert (await repository.current_spend(lease.job_id)).job == Amount(usd=Decimal("0.5"))
    with pytest.raises(BudgetExceeded, match=r"already committed for this job 0\.5 USD"):
        await create_intent(repository, lease, TEXT_REMOVAL, BudgetSettings(job_usd=Decimal("0.69")))
    await create_intent(repository, lease, TEXT_REMOVAL, BudgetSettings(job_usd=Decimal("0.7"), job_points=Decimal(2)))
    assert (await repository.current_spend(lease.job_id)).job == Amount(Decimal("0.7"), Decimal(2))


@pytest.mark.parametrize(
    ("state", "counts"),
    [
        (SubmissionState.WAITING, True),
        (SubmissionState.UNKNOWN, True),
        (SubmissionState.FAILED, True),  # some vendors charge for failed attempts
        (SubmissionState.DONE, True),
        (SubmissionState.REFUSED, False),  # the only outcome that certainly costs nothing
    ],
)
async def test_every_submission_counts_unless_surely_not_bought(
    repository: JobRepository, lease: Lease, state: SubmissionState, counts: bool
) -> None:
    intent = await create_intent(repository, lease)
    await repository.record_outcome(lease, intent.submission, state)
    assert (await repository.current_spend(lease.job_id)).job.usd == (Decimal("0.5") if counts else 0)


async def test_a_written_off_submission_still_counts_as_spent(repository: JobRepository, lease: Lease) -> None:
    intent = await create_intent(repository, lease)
    await repository.write_off(lease, intent.submission, {"decision": "resubmit"})
    with pytest.raises(BudgetExceeded):
        await create_intent(repository, lease, LIP_SYNC, BudgetSettings(job_usd=Decimal("0.9")))


@pytest.mark.parametrize(
    ("paid", "spent"),
    [
        (None, Amount(Decimal("0.2"), Decimal(2))),
        ("3", Amount(Decimal("0.3"), Decimal(3))),
        ("0", Amount()),  # as GhostCut reports for a failed work
    ],
)
async def test_the_actual_cost_replaces_the_estimate(
    repository: JobRepository, lease: Lease, paid: str | None, spent: Amount
) -> None:
    intent = await create_intent(repository, lease, TEXT_REMOVAL)
    await repository.record_outcome(
        lease, intent.submission, SubmissionState.FAILED, paid_points=None if paid is None else Decimal(paid)
    )
    assert (await repository.current_spend(lease.job_id)).job == spent


async def test_a_budget_day_begins_at_midnight_utc(repository: JobRepository, lease: Lease, database_url: str) -> None:
    elsewhere = JobRepository(get_engine(f"{database_url}?options=-ctimezone%3DPacific/Auckland"))
    before = await spend_today(elsewhere, lease)
    late, early = await create_intent(repository, lease), await create_intent(repository, lease, TEXT_REMOVAL)
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for intent, moment in ((late, midnight - timedelta(seconds=1)), (early, midnight)):
        async with get_engine(database_url).begin() as connection:
            await connection.execute(
                update(Submission).where(Submission.id == intent.submission.id).values(intended_at=moment)
            )
    assert await spend_today(elsewhere, lease) == before + TEXT_REMOVAL.amount
    assert (await repository.current_spend(lease.job_id)).job == LIP_SYNC.amount + TEXT_REMOVAL.amount


async def test_the_first_estimate_stays_and_is_one_event(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    first = {"lip_sync": {"usd": "0.5", "seconds": 10.0, "basis": "price list"}}
    await repository.record_estimate(lease, first)
    job = await repository.record_estimate(lease, {"lip_sync": {"usd": "9", "seconds": 10.0, "basis": "price list"}})
    assert job.estimate == first
    told = [event.detail for event in await repository.list_events(lease.job_id) if event.kind == "estimated"]
    assert told == [first]
