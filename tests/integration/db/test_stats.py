"""Statistics over all jobs. Other tests' jobs are in the same database, so each test compares before and after."""

from collections import Counter
from decimal import Decimal

from tests.integration.db.conftest import CreateLeasedJob
from videojobs.db import JobRepository, Lease, SubmissionState
from videojobs.db.stats import SubmissionStats
from videojobs.pipeline.costs import Cost
from videojobs.states import RecoveryPoint, Stage, Status


async def count_unfinished(repository: JobRepository) -> Counter[tuple[Status, RecoveryPoint, bool]]:
    return Counter({(row.status, row.point, row.parked): row.count for row in await repository.unfinished_jobs()})


async def submission_stats(repository: JobRepository, provider: str, state: str) -> SubmissionStats | None:
    rows = await repository.submissions_last_day()
    return next((row for row in rows if (row.provider, row.state) == (provider, state)), None)


async def deliver_lip_sync(repository: JobRepository, lease: Lease) -> None:
    """A delivered lip-sync that cost two dollars."""
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    cost = Cost(usd=Decimal(2), seconds=10, basis="price list")
    submission = (
        await repository.create_intent(lease, Stage.LIP_SYNC, lambda _: b"{}", cost=cost, provider="sync_so")
    ).submission
    await repository.record_accepted(
        lease, submission, RecoveryPoint.LIP_SYNC_SUBMITTED, vendor_id=lease.job_id, answer={}, metadata={}
    )
    await repository.record_outcome(lease, submission, SubmissionState.DONE)


async def test_jobs_are_counted_by_recovery_point_or_final_status(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    before, ended = await count_unfinished(repository), await repository.ended_last_day()
    lease = await create_leased_job()
    assert await count_unfinished(repository) - before == Counter({(Status.PROCESSING, RecoveryPoint.OPENED, False): 1})
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    await repository.park(lease, "nobody knows")
    assert await count_unfinished(repository) - before == Counter(
        {(Status.PROCESSING, RecoveryPoint.UPLOADED, True): 1}
    )
    await repository.fail(lease, "given up")
    assert await count_unfinished(repository) == before
    assert (await repository.ended_last_day())[Status.FAILED] == ended.get(Status.FAILED, 0) + 1


async def test_each_group_reports_the_age_of_its_oldest_job(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    await create_leased_job()
    ages = [row.oldest_seconds for row in await repository.unfinished_jobs()]
    assert all(0 <= age < 3600 for age in ages)


async def test_submissions_are_counted_by_state_with_vendor_time(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    before = await submission_stats(repository, "sync_so", SubmissionState.DONE)
    await deliver_lip_sync(repository, await create_leased_job())
    found = await submission_stats(repository, "sync_so", SubmissionState.DONE)
    assert found is not None
    assert found.count == (before.count if before else 0) + 1
    assert found.median_seconds is not None
    assert found.p95_seconds is not None
    assert 0 <= found.median_seconds <= found.p95_seconds < 60


async def test_todays_spend_is_summed_by_stage(repository: JobRepository, create_leased_job: CreateLeasedJob) -> None:
    before = (await repository.spend_today()).get("sync_so")
    await deliver_lip_sync(repository, await create_leased_job())
    after = (await repository.spend_today())["sync_so"]
    assert after.usd - (before.usd if before else 0) == 2


async def test_open_submissions_are_counted_by_provider(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    provider = f"gone-{lease.job_id}"
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    intent = await repository.create_intent(lease, Stage.LIP_SYNC, lambda _: b"{}", provider=provider)
    assert (await repository.count_open_submissions())[provider] == 1
    await repository.record_outcome(lease, intent.submission, SubmissionState.REFUSED)
    assert provider not in await repository.count_open_submissions()
