"""Finding, holding and purging jobs from outside, on a real Postgres."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.ledger.conftest import a_request
from videojobs.errors import LeaseLost
from videojobs.ledger import Lease, Ledger, SubmissionState, UnknownJob, engine_for
from videojobs.ledger.upkeep import OldTests, Standing
from videojobs.states import Point, Stage, Status

HALF_AN_HOUR = timedelta(minutes=30)
OF_ADA = OldTests(["ada"], days=7)

Sql = Callable[..., Awaitable[None]]
Job = Callable[[str], Awaitable[str]]


@pytest.fixture
def sql(database_url: str) -> Sql:
    async def run(statement: str, **values: object) -> None:
        async with engine_for(database_url).begin() as connection:
            await connection.execute(text(statement), values)

    return run


@pytest.fixture(autouse=True)
async def _no_other_jobs(sql: Sql) -> None:
    """The queries of this layer are about all jobs."""
    await sql("DELETE FROM video_jobs")


@pytest.fixture
def aged(ledger: Ledger, sql: Sql) -> Job:
    """An opened job of a given name that nobody has touched for an hour."""

    async def make(job_id: str) -> str:
        await ledger.open(job_id, a_request(areas=1), actor="test")
        await sql("UPDATE video_jobs SET updated_at = now() - interval '1 hour' WHERE id = :id", id=job_id)
        return job_id

    return make


async def stuck(ledger: Ledger, limit: int = 100) -> dict[str, Standing]:
    return {standing.job.id: standing for standing in await ledger.stuck(HALF_AN_HOUR, limit)}


async def purgeable(ledger: Ledger, which: OldTests = OF_ADA) -> set[str]:
    return {standing.job.id for standing in await ledger.purgeable(which, 100)}


# ---- stuck jobs ------------------------------------------------------------------------------------------------


async def test_a_job_is_stuck_when_it_is_unfinished_and_has_not_changed_for_so_long(
    ledger: Ledger, aged: Job, sql: Sql
) -> None:
    old = await aged("old")
    await ledger.open("fresh", a_request(), actor="test")
    for status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED):
        await aged(status)
        await sql("UPDATE video_jobs SET status = :status WHERE id = :status", status=status.value)
    assert set(await stuck(ledger)) == {old}


async def test_a_stuck_job_comes_with_its_submissions_and_its_age_by_the_databases_clock(
    ledger: Ledger, aged: Job, sql: Sql
) -> None:
    job_id = await aged("job")
    lease = Lease(job_id, "dead/1")
    await ledger.claim(lease, 0)
    for stage in Stage:
        await ledger.intend(lease, stage, lambda _: b"{}")
    await sql("UPDATE video_jobs SET updated_at = now() - interval '1 hour'")
    standing = (await stuck(ledger))[job_id]
    assert [row.stage for row in standing.submissions] == list(Stage)
    assert timedelta(hours=1) <= standing.now - standing.job.updated_at < timedelta(hours=1, minutes=1)
    last = standing.last(Stage.TEXT_REMOVAL)
    assert last is not None
    assert last.state == SubmissionState.INTENDED


@pytest.mark.parametrize(("seconds", "alive"), [(600, True), (0, False)])
async def test_a_stuck_job_tells_whether_its_lease_is_alive(
    ledger: Ledger, aged: Job, sql: Sql, seconds: float, alive: bool
) -> None:
    job_id = await aged("job")
    await ledger.claim(Lease(job_id, "somebody/1"), seconds)
    await sql("UPDATE video_jobs SET updated_at = now() - interval '1 hour'")
    assert (await stuck(ledger))[job_id].lease_alive is alive


async def test_however_many_jobs_wait_or_are_parked_the_limit_leaves_room_for_those_that_nobody_works_on(
    ledger: Ledger, aged: Job, sql: Sql
) -> None:
    for name in ("waits", "parked"):
        await ledger.claim(Lease(await aged(name), "somebody/1"), 600)
    await ledger.park(Lease("parked", "somebody/1"), "who knows")
    await ledger.release(Lease("parked", "somebody/1"))
    await sql("UPDATE video_jobs SET updated_at = now() - interval '2 hours'")
    await aged("abandoned")
    assert set(await stuck(ledger, limit=1)) == {"abandoned"}
    assert set(await stuck(ledger)) == {"waits", "parked", "abandoned"}


# ---- places at a vendor ----------------------------------------------------------------------------------------


async def test_a_job_has_a_place_as_long_as_its_submission_is_in_flight_and_a_run_that_died_keeps_one_for_a_while(
    ledger: Ledger, aged: Job
) -> None:
    six_minutes, no_time = timedelta(minutes=6), timedelta(0)
    assert await ledger.places(Stage.LIP_SYNC, six_minutes) == 0
    job_id = await aged("job")
    dead, heir = Lease(job_id, "run/1"), Lease(job_id, "run/2")
    await ledger.claim(dead, 0)
    assert await ledger.places(Stage.LIP_SYNC, six_minutes) == 0
    await ledger.intend(dead, Stage.LIP_SYNC, lambda _: b"{}")
    assert await ledger.places(Stage.LIP_SYNC, six_minutes) == 1
    assert await ledger.places(Stage.TEXT_REMOVAL, six_minutes) == 0
    await ledger.claim(heir, 60)
    assert await ledger.places(Stage.LIP_SYNC, six_minutes) == 2
    assert await ledger.places(Stage.LIP_SYNC, no_time) == 1
    await ledger.park(heir, "nobody knows")
    assert await ledger.places(Stage.LIP_SYNC, no_time) == 0


# ---- holding ---------------------------------------------------------------------------------------------------


async def test_of_ten_that_would_hold_a_stuck_job_at_once_one_does(ledger: Ledger, aged: Job) -> None:
    job_id = await aged("job")
    seen = (await stuck(ledger))[job_id]
    held = await asyncio.gather(*(ledger.hold(Lease(job_id, f"cleanup-{n}/1"), 60, seen) for n in range(10)))
    assert held.count(True) == 1


async def test_holding_is_no_taking_up(ledger: Ledger, aged: Job) -> None:
    job_id = await aged("job")
    lease = Lease(job_id, "cleanup/1")
    assert await ledger.hold(lease, 60, (await stuck(ledger))[job_id])
    await ledger.release(lease, in_order=False)
    job = await ledger.job(job_id)
    assert (job.status, job.claims, job.lease_holder) == (Status.PENDING, 0, None)


@pytest.mark.parametrize("let_go", [True, False], ids=["let go", "killed"])
async def test_a_job_that_was_held_and_left_as_it_was_is_as_stuck_as_before(
    ledger: Ledger, aged: Job, let_go: bool
) -> None:
    job_id = await aged("job")
    seen = (await stuck(ledger))[job_id]
    assert await ledger.hold(Lease(job_id, "cleanup/1"), 60 if let_go else 0, seen)
    if let_go:
        await ledger.release(Lease(job_id, "cleanup/1"), in_order=False)
    assert set(await stuck(ledger)) == {job_id}
    assert await ledger.hold(Lease(job_id, "another/1"), 60, seen)


async def test_a_job_that_a_run_has_taken_up_meanwhile_is_not_held(ledger: Ledger, aged: Job) -> None:
    job_id = await aged("job")
    seen = (await stuck(ledger))[job_id]
    run = Lease(job_id, "run/1")
    await ledger.claim(run, 60)
    assert not await ledger.hold(Lease(job_id, "cleanup/1"), 60, seen)
    assert await ledger.renew([run], 60) == {job_id}


async def test_a_job_that_somebody_cancelled_meanwhile_is_not_held(ledger: Ledger, aged: Job) -> None:
    job_id = await aged("job")
    seen = (await stuck(ledger))[job_id]
    await ledger.cancel(job_id, "run", "Cancelled", actor="somebody")
    assert not await ledger.hold(Lease(job_id, "cleanup/1"), 60, seen)
    assert (await ledger.job(job_id)).status == Status.CANCELLED


async def test_a_job_whose_callback_came_meanwhile_is_not_held(ledger: Ledger, aged: Job, sql: Sql) -> None:
    job_id = await aged("job")
    await ledger.claim(Lease(job_id, "dead/1"), 0)
    submission = (await ledger.intend(Lease(job_id, "dead/1"), Stage.TEXT_REMOVAL, lambda _: b"{}")).submission
    await sql("UPDATE video_jobs SET updated_at = now() - interval '1 hour'")
    seen = (await stuck(ledger))[job_id]
    await ledger.hear(submission, "541461135")
    assert not await ledger.hold(Lease(job_id, "cleanup/1"), 60, seen)


async def test_a_job_that_is_gone_is_not_held(ledger: Ledger, aged: Job, sql: Sql) -> None:
    job_id = await aged("job")
    seen = (await stuck(ledger))[job_id]
    await sql("DELETE FROM video_jobs")
    assert not await ledger.hold(Lease(job_id, "cleanup/1"), 60, seen)


# ---- purging ---------------------------------------------------------------------------------------------------


@pytest.fixture
def ended(ledger: Ledger, sql: Sql) -> Callable[..., Awaitable[Lease]]:
    """A job that failed long ago, with a submission in a given state; gives the lease of its last run."""

    async def make(job_id: str, state: SubmissionState = SubmissionState.FAILED) -> Lease:
        lease = Lease(job_id, "run/1")
        await ledger.open(job_id, a_request(), actor="test")
        await ledger.claim(lease, 600)
        await ledger.advance(lease, Point.UPLOADED)
        await ledger.intend(lease, Stage.LIP_SYNC, lambda _: b"{}")
        await sql("UPDATE video_submissions SET state = :state WHERE job_id = :id", state=state.value, id=job_id)
        await ledger.fail(lease, "no")
        await ledger.release(lease)
        await sql("UPDATE video_jobs SET completed_at = now() - interval '8 days' WHERE id = :id", id=job_id)
        return lease

    return make


async def purged(ledger: Ledger, job_id: str, which: OldTests = OF_ADA) -> bool:
    """As a clean-up does it: see, hold, purge."""
    seen = next(standing for standing in await ledger.purgeable(which, 100) if standing.job.id == job_id)
    lease = Lease(job_id, "cleanup/1")
    return await ledger.hold(lease, 60, seen) and await ledger.purge(lease, which)


async def test_an_old_test_job_goes_with_its_submissions_and_events(
    ledger: Ledger, ended: Callable[..., Awaitable[Lease]]
) -> None:
    await ended("old")
    assert await purged(ledger, "old")
    with pytest.raises(UnknownJob):
        await ledger.job("old")
    assert not await ledger.submissions("old")
    assert not await ledger.events("old")


async def test_a_request_that_was_refused_long_ago_may_go_too(ledger: Ledger, sql: Sql) -> None:
    await ledger.open_refused("refused", user_id="ada", display_name=None, error="no", actor="test")
    assert await purgeable(ledger) == set()
    await sql("UPDATE video_jobs SET created_at = now() - interval '8 days'")
    assert await purged(ledger, "refused")


@pytest.mark.parametrize("state", list(SubmissionState))
async def test_nothing_is_purged_that_a_vendor_may_still_be_at_work_on(
    ledger: Ledger, ended: Callable[..., Awaitable[Lease]], state: SubmissionState
) -> None:
    await ended("old", state)
    in_flight = {SubmissionState.INTENDED, SubmissionState.UNKNOWN, SubmissionState.ACCEPTED}
    assert ("old" in await purgeable(ledger)) == (state not in in_flight)


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
async def test_no_job_is_purged_that_is_anothers_young_at_work_or_parked(
    ledger: Ledger, ended: Callable[..., Awaitable[Lease]], sql: Sql, but: str
) -> None:
    await ended("old")
    assert await purgeable(ledger) == {"old"}
    await sql(f"UPDATE video_jobs SET {but}")  # noqa: S608  # texts of this file
    assert await purgeable(ledger) == set()


async def test_without_test_users_nothing_is_purged(ledger: Ledger, ended: Callable[..., Awaitable[Lease]]) -> None:
    await ended("old")
    assert await purgeable(ledger, OldTests([], days=7)) == set()


async def test_a_job_that_was_opened_again_while_its_purge_was_under_way_stays(
    ledger: Ledger, ended: Callable[..., Awaitable[Lease]]
) -> None:
    await ended("old")
    [seen] = await ledger.purgeable(OF_ADA, 100)
    lease = Lease("old", "cleanup/1")
    assert await ledger.hold(lease, 0, seen)  # it has run out at once
    operator = Lease("old", "operator/1")
    await ledger.claim(operator, 60)
    await ledger.reopen(operator, {})
    with pytest.raises(LeaseLost):
        await ledger.purge(lease, OF_ADA)
    assert not await ledger.purge(operator, OF_ADA)
    assert (await ledger.job("old")).status == Status.PROCESSING


async def test_holding_an_ended_job_to_purge_it_does_not_bring_it_back_to_life(
    ledger: Ledger, ended: Callable[..., Awaitable[Lease]], sql: Sql
) -> None:
    """A clean-up that dies right after it took the lease leaves a cancelled job cancelled."""
    await ended("old")
    await sql("UPDATE video_jobs SET status = 'cancelled'")
    [seen] = await ledger.purgeable(OF_ADA, 100)
    assert await ledger.hold(Lease("old", "cleanup/1"), 0, seen)
    assert (await ledger.job("old")).status == Status.CANCELLED
    assert await purgeable(ledger) == {"old"}
