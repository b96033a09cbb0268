"""Waiting for paid work: only the vendor's own status ends the wait."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest

from blocks import Connections
from tasks.runtime import polling
from tasks.runtime.job_run import JobRun
from tasks.runtime.polling import PollAttempt
from videojobs.db import JobEventKind, JobRepository, Lease, Submission
from videojobs.errors import (
    ConfigurationError,
    DatabaseUnavailable,
    JobParked,
    StillRunning,
    VendorIdNotFound,
    VendorRateLimited,
    VendorRejected,
    VendorUnavailable,
    VideoJobError,
)
from videojobs.states import Stage

NO_ANSWERS = [
    ConfigurationError("401"),
    VendorRejected("403", vendor_code="HTTP 403"),
    VendorIdNotFound("404"),
    VendorUnavailable("503"),
    VendorRateLimited("429"),
]


class FakeRepository:
    """The database calls of a waiting job."""

    def __init__(self) -> None:
        self.age = timedelta(hours=1)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.event_added = asyncio.Event()
        self.age_queries = 0
        self.reported_vendor_id: str | None = None
        self.park_reasons: list[str] = []
        self.notifications = self
        self.notify_subscriber: Callable[[], None] = lambda: None

    @contextmanager
    def subscribe(self, job_id: str, callback: Callable[[], None]) -> Iterator[None]:
        self.notify_subscriber = callback
        yield

    async def submission_age_since_reopen(self, submission: Submission) -> timedelta:
        self.age_queries += 1
        return self.age

    async def get_live_submission(self, job_id: str, stage: Stage) -> Submission:
        return Submission(vendor_id="work-1", reported_vendor_id=self.reported_vendor_id)

    async def record_event(self, lease: Lease, kind: JobEventKind, detail: dict[str, Any]) -> None:
        self.events.append((kind, detail))
        self.event_added.set()

    async def park(self, lease: Lease, reason: str, *, code: str) -> None:
        self.park_reasons.append(reason)


@pytest.fixture
def repository() -> FakeRepository:
    return FakeRepository()


@pytest.fixture
def announced_vendors(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The events about vendors that operators get."""
    told: list[str] = []
    monkeypatch.setattr(polling, "emit_vendor_unresponsive", lambda vendor, reason: told.append(vendor))
    monkeypatch.setattr(polling, "_failing_since", {})
    return told


@pytest.fixture
async def attempt(
    repository: FakeRepository, announced_vendors: list[str], monkeypatch: pytest.MonkeyPatch
) -> PollAttempt:
    monkeypatch.setenv("VIDEOJOBS_RETRY_DELAY_SECONDS", "0")
    monkeypatch.setattr(polling, "get_run_logger", lambda: logging.getLogger("test"))
    run = JobRun(lease=Lease("job-1", "run/1"), connections=Connections())
    submission = Submission(stage=Stage.TEXT_REMOVAL.value, provider="ghostcut", vendor_id="work-1")
    return PollAttempt(cast(JobRepository, repository), run, submission)


def next_attempt(attempt: PollAttempt) -> PollAttempt:
    return PollAttempt(attempt._repository, attempt._run, attempt._submission)


async def fail_with(error: VideoJobError) -> str:
    raise error


async def answer_with(answer: str) -> str:
    return answer


@pytest.mark.parametrize("error", NO_ANSWERS, ids=str)
async def test_polling_continues_after_an_error(
    attempt: PollAttempt, repository: FakeRepository, error: VideoJobError
) -> None:
    assert await attempt.query(fail_with(error)) is None
    assert await attempt.query(answer_with("done")) == "done"
    assert repository.park_reasons == []


@pytest.mark.parametrize("error", [error for error in NO_ANSWERS if not isinstance(error, VendorIdNotFound)], ids=str)
async def test_an_unreachable_vendor_never_gets_its_job_parked(
    attempt: PollAttempt, repository: FakeRepository, error: VideoJobError
) -> None:
    repository.age = timedelta(days=30)
    for _ in range(3):
        assert await attempt.query(fail_with(error)) is None
    assert repository.park_reasons == []


async def test_an_id_missing_at_the_vendor_for_hours_parks_the_job(
    attempt: PollAttempt, repository: FakeRepository
) -> None:
    assert await attempt.query(fail_with(VendorIdNotFound("404"))) is None
    repository.age, attempt = timedelta(hours=7), next_attempt(attempt)
    with pytest.raises(JobParked, match="no longer lists work-1"):
        await attempt.query(fail_with(VendorIdNotFound("404")))


async def test_a_vendor_still_running_after_hours_parks_the_job(
    attempt: PollAttempt, repository: FakeRepository
) -> None:
    await attempt.park_if_overdue()
    repository.age, attempt = timedelta(hours=7), next_attempt(attempt)
    with pytest.raises(JobParked, match="not finished work-1 within 6 hours"):
        await attempt.park_if_overdue()


async def test_the_age_is_queried_once_and_again_when_overdue(
    attempt: PollAttempt, repository: FakeRepository, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(attempt, "_clock", lambda: now)
    for _ in range(100):
        await attempt.park_if_overdue()
    assert repository.age_queries == 1
    repository.age = timedelta(hours=6)
    now += 5 * 3600
    with pytest.raises(JobParked):
        await attempt.park_if_overdue()


async def test_a_callback_ends_polling_despite_a_stale_status(attempt: PollAttempt, repository: FakeRepository) -> None:
    repository.age, repository.reported_vendor_id = timedelta(hours=7), "work-1"
    await attempt.park_if_overdue()
    assert repository.park_reasons == []


async def test_a_database_outage_is_left_to_prefects_retry(attempt: PollAttempt) -> None:
    with pytest.raises(DatabaseUnavailable):
        await attempt.query(fail_with(DatabaseUnavailable("no Postgres")))


async def test_a_series_of_errors_is_one_event(attempt: PollAttempt, repository: FakeRepository) -> None:
    for _ in range(5):
        await attempt.query(fail_with(VendorUnavailable("503")))
    [(kind, told)] = repository.events
    assert (kind, told["stage"], told["vendor_id"], told["error"]) == ("no_answer", "text_removal", "work-1", "503")
    await attempt.query(answer_with("running"))
    await attempt.query(fail_with(VendorUnavailable("503")))
    assert len(repository.events) == 2


@pytest.mark.parametrize(
    ("error", "seconds", "alerted"),
    [
        (ConfigurationError("401"), 0, True),
        (VendorUnavailable("503"), 0, False),
        (VendorIdNotFound("404"), 0, False),
        (VendorUnavailable("503"), 601, True),
    ],
    ids=str,
)
async def test_operators_are_alerted_to_persistent_errors(
    attempt: PollAttempt,
    announced_vendors: list[str],
    monkeypatch: pytest.MonkeyPatch,
    error: VideoJobError,
    seconds: float,
    alerted: bool,
) -> None:
    now = 1_000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    for _ in range(2):  # attempts, each shorter than the series of errors
        await next_attempt(attempt).query(fail_with(error))
        now += seconds
    assert bool(announced_vendors) is alerted


async def test_a_callback_ends_the_delay_after_an_error(attempt: PollAttempt, repository: FakeRepository) -> None:
    with attempt.wake_on_callback():
        asking = asyncio.create_task(attempt.query(fail_with(VendorRateLimited("429", retry_after=3600))))
        await repository.event_added.wait()
        await asyncio.sleep(0)
        repository.notify_subscriber()
        async with asyncio.timeout(5):
            assert await asking is None


async def test_an_attempt_that_ends_says_why(attempt: PollAttempt, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_POLL_ATTEMPT_SECONDS", "0.001")

    async def poll_to_the_end() -> None:
        async for _ in attempt.polls():
            await attempt.query(fail_with(ConfigurationError("401")))

    with pytest.raises(StillRunning, match="GhostCut did not report a status: 401"):
        await poll_to_the_end()
