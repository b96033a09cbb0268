"""Waiting for what is paid for: only the vendor's own word about it ends the wait."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, cast

import pytest

from blocks import Connections
from tasks import waiting
from tasks.run import JobRun
from tasks.waiting import Polling
from videojobs.errors import (
    ConfigurationError,
    JobParked,
    LedgerUnavailable,
    NotShown,
    StillRunning,
    VendorRefused,
    VendorThrottled,
    VendorUnavailable,
    VideoJobError,
)
from videojobs.ledger import Lease, Ledger, Submission
from videojobs.states import Stage

NO_ANSWERS = [
    ConfigurationError("401"),
    VendorRefused("403", code="HTTP 403"),
    NotShown("404"),
    VendorUnavailable("503"),
    VendorThrottled("429"),
]


class Books:
    """What a job that waits asks the ledger, and tells it."""

    def __init__(self) -> None:
        self.waited = timedelta(hours=1)
        self.recorded: list[tuple[str, dict[str, Any]]] = []
        self.told = asyncio.Event()
        self.looked_up = 0
        self.called_back: str | None = None
        self.parked: list[str] = []
        self.bell = self
        self.call_back: Callable[[], None] = lambda: None

    @contextmanager
    def heard_by(self, job_id: str, woken: Callable[[], None]) -> Iterator[None]:
        self.call_back = woken
        yield

    async def watched_for(self, submission: Submission) -> timedelta:
        self.looked_up += 1
        return self.waited

    async def live_submission(self, job_id: str, stage: Stage) -> Submission:
        return Submission(vendor_id="work-1", candidate_id=self.called_back)

    async def record(self, lease: Lease, kind: str, detail: dict[str, Any]) -> None:
        self.recorded.append((kind, detail))
        self.told.set()

    async def park(self, lease: Lease, reason: str) -> None:
        self.parked.append(reason)


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What operators are told about vendors."""
    told: list[str] = []
    monkeypatch.setattr(waiting, "announce_silence", lambda vendor, reason: told.append(vendor))
    monkeypatch.setattr(waiting, "_failing_since", {})
    return told


@pytest.fixture
async def polling(books: Books, announced: list[str], monkeypatch: pytest.MonkeyPatch) -> Polling:
    monkeypatch.setenv("VIDEOJOBS_RETRY_DELAY_SECONDS", "0")
    monkeypatch.setattr(waiting, "get_run_logger", lambda: logging.getLogger("test"))
    run = JobRun(lease=Lease("job-1", "run/1"), connections=Connections())
    submission = Submission(stage=Stage.TEXT_REMOVAL.value, vendor_id="work-1")
    return Polling(cast(Ledger, books), run, submission)


def anew(polling: Polling) -> Polling:
    """The next attempt."""
    return Polling(polling._ledger, polling._run, polling._submission)


async def fails(error: VideoJobError) -> str:
    raise error


async def says(answer: str) -> str:
    return answer


@pytest.mark.parametrize("error", NO_ANSWERS, ids=str)
async def test_an_error_is_no_verdict_and_the_next_question_is_answered(
    polling: Polling, books: Books, error: VideoJobError
) -> None:
    assert await polling.ask(fails(error)) is None
    assert await polling.ask(says("done")) == "done"
    assert books.parked == []


@pytest.mark.parametrize("error", [error for error in NO_ANSWERS if not isinstance(error, NotShown)], ids=str)
async def test_a_vendor_out_of_reach_does_not_get_its_job_parked_whatever_the_clock_says(
    polling: Polling, books: Books, error: VideoJobError
) -> None:
    books.waited = timedelta(days=30)
    for _ in range(3):
        assert await polling.ask(fails(error)) is None
    assert books.parked == []


async def test_an_id_that_the_vendor_does_not_show_for_hours_parks_the_job(polling: Polling, books: Books) -> None:
    assert await polling.ask(fails(NotShown("404"))) is None
    books.waited, polling = timedelta(hours=7), anew(polling)
    with pytest.raises(JobParked, match="does not know work-1 any more"):
        await polling.ask(fails(NotShown("404")))


async def test_only_a_vendor_that_is_still_at_work_after_hours_gets_its_job_parked(
    polling: Polling, books: Books
) -> None:
    await polling.park_if_overdue()
    books.waited, polling = timedelta(hours=7), anew(polling)
    with pytest.raises(JobParked, match="not finished work-1 within 6 hours"):
        await polling.park_if_overdue()


async def test_the_ledger_is_asked_for_the_age_once_and_again_when_it_may_be_too_old(
    polling: Polling, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(polling, "_clock", lambda: now)
    for _ in range(100):
        await polling.park_if_overdue()
    assert books.looked_up == 1
    books.waited = timedelta(hours=6)
    now += 5 * 3600
    with pytest.raises(JobParked):
        await polling.park_if_overdue()


async def test_a_vendor_that_has_called_back_is_through_whatever_its_status_says_yet(
    polling: Polling, books: Books
) -> None:
    books.waited, books.called_back = timedelta(hours=7), "work-1"
    await polling.park_if_overdue()
    assert books.parked == []


async def test_a_ledger_that_is_away_is_left_to_prefect(polling: Polling) -> None:
    with pytest.raises(LedgerUnavailable):
        await polling.ask(fails(LedgerUnavailable("no Postgres")))


async def test_the_jobs_events_tell_of_a_spell_of_errors_once(polling: Polling, books: Books) -> None:
    for _ in range(5):
        await polling.ask(fails(VendorUnavailable("503")))
    [(kind, told)] = books.recorded
    assert (kind, told["stage"], told["vendor_id"], told["error"]) == ("no_answer", "text_removal", "work-1", "503")
    await polling.ask(says("running"))
    await polling.ask(fails(VendorUnavailable("503")))
    assert len(books.recorded) == 2


@pytest.mark.parametrize(
    ("error", "seconds", "told"),
    [
        (ConfigurationError("401"), 0, True),
        (VendorUnavailable("503"), 0, False),
        (NotShown("404"), 0, False),
        (VendorUnavailable("503"), 601, True),
    ],
    ids=str,
)
async def test_operators_hear_of_what_may_not_heal_by_itself(
    polling: Polling,
    announced: list[str],
    monkeypatch: pytest.MonkeyPatch,
    error: VideoJobError,
    seconds: float,
    told: bool,
) -> None:
    now = 1_000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    for _ in range(2):  # attempts, each shorter than the spell of errors
        await anew(polling).ask(fails(error))
        now += seconds
    assert bool(announced) is told


async def test_a_callback_ends_the_delay_after_an_error(polling: Polling, books: Books) -> None:
    with polling.heard():
        asking = asyncio.create_task(polling.ask(fails(VendorThrottled("429", retry_after=3600))))
        await books.told.wait()
        await asyncio.sleep(0)
        books.call_back()
        async with asyncio.timeout(5):
            assert await asking is None


async def test_an_attempt_that_ends_says_why(polling: Polling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_POLL_ATTEMPT_SECONDS", "0.001")

    async def attempt() -> None:
        async for _ in polling.rounds():
            await polling.ask(fails(ConfigurationError("401")))

    with pytest.raises(StillRunning, match="GhostCut gives no answer: 401"):
        await attempt()
