"""Finding, leasing and purging jobs from outside a run, on a real Postgres."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.integration.db.conftest import make_request
from videojobs.db import JobRepository, Lease, SubmissionState, get_engine
from videojobs.db.maintenance import JobSnapshot, PurgeFilter
from videojobs.errors import LeaseLost, UnknownJob
from videojobs.states import RecoveryPoint, Stage, Status

HALF_AN_HOUR = timedelta(minutes=30)
ADAS_OLD_TESTS = PurgeFilter(["ada"], min_age_days=7)

RunSql = Callable[..., Awaitable[None]]
CreateJob = Callable[[str], Awaitable[str]]


@pytest.fixture
def run_sql(database_url: str) -> RunSql:
    async def run(statement: str, **values: object) -> None:
        async with get_engine(database_url).begin() as connection:
            await connection.execute(text(statement), values)

    return run


@pytest.fixture(autouse=True)
async def _delete_other_jobs(run_sql: RunSql) -> None:
    """The queries of this layer cover all jobs."""
    await run_sql("DELETE FROM video_jobs")


@pytest.fixture
def create_idle_job(repository: JobRepository, run_sql: RunSql) -> CreateJob:
    """A new job with a given id that has not changed for an hour."""

    async def create(job_id: str) -> str:
        await repository.create(job_id, make_request(areas=1), actor="test")
        await run_sql("UPDATE video_jobs SET updated_at = now() - interval '1 hour' WHERE id = :id", id=job_id)
        return job_id

    return create


async def stuck_ids(repository: JobRepository, limit: int = 100) -> dict[str, JobSnapshot]:
    return {standing.job.id: standing for standing in await repository.find_stuck(HALF_AN_HOUR, limit)}


async def purgeable_ids(repository: JobRepository, which: PurgeFilter = ADAS_OLD_TESTS) -> set[str]:
    return {standing.job.id for standing in await repository.find_purgeable(which, 100)}


# ---- stuck jobs ------------------------------------------------------------------------------------------------


async def test_an_unfinished_job_without_changes_is_stuck(
    repository: JobRepository, create_idle_job: CreateJob, run_sql: RunSql
) -> None:
    old = await create_idle_job("old")
    await repository.create("fresh", make_request(), actor="test")
    for status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED):
        await create_idle_job(status)
        await run_sql("UPDATE video_jobs SET status = :status WHERE id = :status", status=status.value)
    assert set(await stuck_ids(repository)) == {old}


async def test_a_stuck_job_has_its_submissions_and_database_age(
    repository: JobRepository, create_idle_job: CreateJob, run_sql: RunSql
) -> None:
    job_id = await create_idle_job("job")
    lease = Lease(job_id, "dead/1")
    await repository.acquire_lease(lease, 0)
    for stage in Stage:
        await repository.create_intent(lease, stage, lambda _: b"{}", provider="sync_so")
    await run_sql("UPDATE video_jobs SET updated_at = now() - interval '1 hour'")
    standing = (await stuck_ids(repository))[job_id]
    assert [row.stage for row in standing.submissions] == list(Stage)
    assert timedelta(hours=1) <= standing.now - standing.job.updated_at < timedelta(hours=1, minutes=1)
    last = standing.latest_submission(Stage.TEXT_REMOVAL)
    assert last is not None
    assert last.state == SubmissionState.INTENDED


@pytest.mark.parametrize(("seconds", "alive"), [(600, True), (0, False)])
async def test_a_stuck_job_shows_whether_its_lease_is_alive(
    repository: JobRepository, create_idle_job: CreateJob, run_sql: RunSql, seconds: float, alive: bool
) -> None:
    job_id = await create_idle_job("job")
    await repository.acquire_lease(Lease(job_id, "somebody/1"), seconds)
    await run_sql("UPDATE video_jobs SET updated_at = now() - interval '1 hour'")
    assert (await stuck_ids(repository))[job_id].lease_alive is alive


async def test_waiting_and_parked_jobs_leave_room_for_abandoned_ones(
    repository: JobRepository, create_idle_job: CreateJob, run_sql: RunSql
) -> None:
    for name in ("waits", "parked"):
        await repository.acquire_lease(Lease(await create_idle_job(name), "somebody/1"), 600)
    await repository.park(Lease("parked", "somebody/1"), "who knows")
    await repository.release_lease(Lease("parked", "somebody/1"))
    await run_sql("UPDATE video_jobs SET updated_at = now() - interval '2 hours'")
    await create_idle_job("abandoned")
    assert set(await stuck_ids(repository, limit=1)) == {"abandoned"}
    assert set(await stuck_ids(repository)) == {"waits", "parked", "abandoned"}


# ---- vendor slots ----------------------------------------------------------------------------------------------


async def test_a_slot_is_counted_while_a_submission_is_in_flight(
    repository: JobRepository, create_idle_job: CreateJob
) -> None:
    six_minutes, no_time = timedelta(minutes=6), timedelta(0)
    assert await repository.max_slots_in_use("sync_so", six_minutes) == 0
    job_id = await create_idle_job("job")
    dead, heir = Lease(job_id, "run/1"), Lease(job_id, "run/2")
    await repository.acquire_lease(dead, 0)
    assert await repository.max_slots_in_use("sync_so", six_minutes) == 0
    await repository.create_intent(dead, Stage.LIP_SYNC, lambda _: b"{}", provider="sync_so")
    assert await repository.max_slots_in_use("sync_so", six_minutes) == 1
    assert await repository.max_slots_in_use("ghostcut", six_minutes) == 0
    await repository.acquire_lease(heir, 60)
    assert await repository.max_slots_in_use("sync_so", six_minutes) == 2
    assert await repository.max_slots_in_use("sync_so", no_time) == 1
    await repository.park(heir, "nobody knows")
    assert await repository.max_slots_in_use("sync_so", no_time) == 0


async def test_a_crashed_run_counts_under_the_old_event_key_too(
    repository: JobRepository, create_idle_job: CreateJob, run_sql: RunSql
) -> None:
    job_id = await create_idle_job("job")
    await run_sql(
        "INSERT INTO video_job_events (job_id, at, actor, kind, point, progress, message, detail) "
        "SELECT job_id, now(), 'run/2', 'lease_acquired', point, progress, message, '{\"left_behind_by\": \"run/1\"}' "
        "FROM video_job_events WHERE job_id = :id",
        id=job_id,
    )
    assert await repository.max_slots_in_use("sync_so", timedelta(minutes=6)) == 1


# ---- leasing ---------------------------------------------------------------------------------------------------


async def test_one_of_ten_cleanups_leases_a_stuck_job(repository: JobRepository, create_idle_job: CreateJob) -> None:
    job_id = await create_idle_job("job")
    seen = (await stuck_ids(repository))[job_id]
    held = await asyncio.gather(
        *(repository.acquire_if_unchanged(Lease(job_id, f"cleanup-{n}/1"), 60, seen) for n in range(10))
    )
    assert held.count(True) == 1


async def test_a_cleanup_lease_does_not_count_as_a_run(repository: JobRepository, create_idle_job: CreateJob) -> None:
    job_id = await create_idle_job("job")
    lease = Lease(job_id, "cleanup/1")
    assert await repository.acquire_if_unchanged(lease, 60, (await stuck_ids(repository))[job_id])
    await repository.release_lease(lease, clean_exit=False)
    job = await repository.get_job(job_id)
    assert (job.status, job.claims, job.lease_holder) == (Status.PENDING, 0, None)


@pytest.mark.parametrize("let_go", [True, False], ids=["let go", "killed"])
async def test_a_job_released_without_changes_is_still_stuck(
    repository: JobRepository, create_idle_job: CreateJob, let_go: bool
) -> None:
    job_id = await create_idle_job("job")
    seen = (await stuck_ids(repository))[job_id]
    assert await repository.acquire_if_unchanged(Lease(job_id, "cleanup/1"), 60 if let_go else 0, seen)
    if let_go:
        await repository.release_lease(Lease(job_id, "cleanup/1"), clean_exit=False)
    assert set(await stuck_ids(repository)) == {job_id}
    assert await repository.acquire_if_unchanged(Lease(job_id, "another/1"), 60, seen)


async def test_a_job_leased_by_a_run_is_not_leased_for_cleanup(
    repository: JobRepository, create_idle_job: CreateJob
) -> None:
    job_id = await create_idle_job("job")
    seen = (await stuck_ids(repository))[job_id]
    run = Lease(job_id, "run/1")
    await repository.acquire_lease(run, 60)
    assert not await repository.acquire_if_unchanged(Lease(job_id, "cleanup/1"), 60, seen)
    assert await repository.renew_leases([run], 60) == {job_id}


async def test_a_job_cancelled_meanwhile_is_not_leased_for_cleanup(
    repository: JobRepository, create_idle_job: CreateJob
) -> None:
    job_id = await create_idle_job("job")
    seen = (await stuck_ids(repository))[job_id]
    await repository.cancel(job_id, "run", "Cancelled", actor="somebody")
    assert not await repository.acquire_if_unchanged(Lease(job_id, "cleanup/1"), 60, seen)
    assert (await repository.get_job(job_id)).status == Status.CANCELLED


async def test_a_job_with_a_new_callback_is_not_leased_for_cleanup(
    repository: JobRepository, create_idle_job: CreateJob, run_sql: RunSql
) -> None:
    job_id = await create_idle_job("job")
    await repository.acquire_lease(Lease(job_id, "dead/1"), 0)
    submission = (
        await repository.create_intent(
            Lease(job_id, "dead/1"), Stage.TEXT_REMOVAL, lambda _: b"{}", provider="ghostcut"
        )
    ).submission
    await run_sql("UPDATE video_jobs SET updated_at = now() - interval '1 hour'")
    seen = (await stuck_ids(repository))[job_id]
    await repository.record_callback(submission, "541461135")
    assert not await repository.acquire_if_unchanged(Lease(job_id, "cleanup/1"), 60, seen)


async def test_a_deleted_job_is_not_leased_for_cleanup(
    repository: JobRepository, create_idle_job: CreateJob, run_sql: RunSql
) -> None:
    job_id = await create_idle_job("job")
    seen = (await stuck_ids(repository))[job_id]
    await run_sql("DELETE FROM video_jobs")
    assert not await repository.acquire_if_unchanged(Lease(job_id, "cleanup/1"), 60, seen)


# ---- purging ---------------------------------------------------------------------------------------------------


@pytest.fixture
def create_failed_job(repository: JobRepository, run_sql: RunSql) -> Callable[..., Awaitable[Lease]]:
    """A job that failed long ago, with a submission in a given state; gives the lease of its last run."""

    async def create(job_id: str, state: SubmissionState = SubmissionState.FAILED) -> Lease:
        lease = Lease(job_id, "run/1")
        await repository.create(job_id, make_request(), actor="test")
        await repository.acquire_lease(lease, 600)
        await repository.advance(lease, RecoveryPoint.UPLOADED)
        await repository.create_intent(lease, Stage.LIP_SYNC, lambda _: b"{}", provider="sync_so")
        await run_sql("UPDATE video_submissions SET state = :state WHERE job_id = :id", state=state.value, id=job_id)
        await repository.fail(lease, "no")
        await repository.release_lease(lease)
        await run_sql("UPDATE video_jobs SET completed_at = now() - interval '8 days' WHERE id = :id", id=job_id)
        return lease

    return create


async def purge_job(repository: JobRepository, job_id: str, which: PurgeFilter = ADAS_OLD_TESTS) -> bool:
    """Purge a job as a clean-up does: read, acquire, purge."""
    seen = next(standing for standing in await repository.find_purgeable(which, 100) if standing.job.id == job_id)
    lease = Lease(job_id, "cleanup/1")
    return await repository.acquire_if_unchanged(lease, 60, seen) and await repository.purge(lease, which)


async def test_an_old_test_job_goes_with_its_submissions_and_events(
    repository: JobRepository, create_failed_job: Callable[..., Awaitable[Lease]]
) -> None:
    await create_failed_job("old")
    assert await purge_job(repository, "old")
    with pytest.raises(UnknownJob):
        await repository.get_job("old")
    assert not await repository.list_submissions("old")
    assert not await repository.list_events("old")


async def test_a_request_that_was_refused_long_ago_may_go_too(repository: JobRepository, run_sql: RunSql) -> None:
    await repository.create_rejected("refused", user_id="ada", display_name=None, error="no", actor="test")
    assert await purgeable_ids(repository) == set()
    await run_sql("UPDATE video_jobs SET created_at = now() - interval '8 days'")
    assert await purge_job(repository, "refused")


@pytest.mark.parametrize("state", list(SubmissionState))
async def test_a_job_with_a_possibly_live_submission_is_not_purged(
    repository: JobRepository, create_failed_job: Callable[..., Awaitable[Lease]], state: SubmissionState
) -> None:
    await create_failed_job("old", state)
    in_flight = {SubmissionState.INTENDED, SubmissionState.UNKNOWN, SubmissionState.ACCEPTED}
    assert ("old" in await purgeable_ids(repository)) == (state not in in_flight)


@pytest.mark.parametrize(
    "but",
    [
        "user_id = 'a customer'",
        "completed_at = now() - interval '6 days'",
        "status = 'processing'",
        "status = 'pending'",
        "parked_reason = 'who knows'",
        "lease_holder = 'somebody', lease_until = now() + interval '1 minute'",
    ],
)
async def test_only_old_ended_test_jobs_are_purged(
    repository: JobRepository, create_failed_job: Callable[..., Awaitable[Lease]], run_sql: RunSql, but: str
) -> None:
    await create_failed_job("old")
    assert await purgeable_ids(repository) == {"old"}
    await run_sql(f"UPDATE video_jobs SET {but}")  # noqa: S608  # SQL of this file only
    assert await purgeable_ids(repository) == set()


async def test_without_test_users_nothing_is_purged(
    repository: JobRepository, create_failed_job: Callable[..., Awaitable[Lease]]
) -> None:
    await create_failed_job("old")
    assert await purgeable_ids(repository, PurgeFilter([], min_age_days=7)) == set()


async def test_a_job_reopened_during_its_purge_is_kept(
    repository: JobRepository, create_failed_job: Callable[..., Awaitable[Lease]]
) -> None:
    await create_failed_job("old")
    [seen] = await repository.find_purgeable(ADAS_OLD_TESTS, 100)
    lease = Lease("old", "cleanup/1")
    assert await repository.acquire_if_unchanged(lease, 0, seen)  # it expires at once
    operator = Lease("old", "operator/1")
    await repository.acquire_lease(operator, 60)
    await repository.reopen(operator, {})
    with pytest.raises(LeaseLost):
        await repository.purge(lease, ADAS_OLD_TESTS)
    assert not await repository.purge(operator, ADAS_OLD_TESTS)
    assert (await repository.get_job("old")).status == Status.PROCESSING


async def test_leasing_an_ended_job_for_a_purge_keeps_its_status(
    repository: JobRepository, create_failed_job: Callable[..., Awaitable[Lease]], run_sql: RunSql
) -> None:
    """A clean-up that dies right after it acquired the lease leaves a cancelled job cancelled."""
    await create_failed_job("old")
    await run_sql("UPDATE video_jobs SET status = 'cancelled'")
    [seen] = await repository.find_purgeable(ADAS_OLD_TESTS, 100)
    assert await repository.acquire_if_unchanged(Lease("old", "cleanup/1"), 0, seen)
    assert (await repository.get_job("old")).status == Status.CANCELLED
    assert await purgeable_ids(repository) == {"old"}
