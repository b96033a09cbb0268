"""Minutes of work in a run: told about, and stopped when nobody wants it any more."""

import asyncio
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tasks import lecture_place
from tasks.lecture import side_by_side
from tasks.lecture_place import Place, at_length
from tasks.run import JobRun
from videojobs.errors import InvalidMedia, LeaseLost, LedgerUnavailable
from videojobs.lecture.work import Progress
from videojobs.states import Point


class Books:
    """Takes down what is told; raises what it is given first."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.told: list[int] = []
        self.has_heard = Event()

    async def job(self, job_id: str) -> Any:
        return SimpleNamespace(id=job_id, point=Point.FETCHED, progress_message="working")

    async def tell(self, lease: object, progress: int, message: str) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        self.told.append(progress)
        self.has_heard.set()
        return await self.job("job-1")


def run_with(books: Books) -> JobRun:
    async def ledger() -> Books:
        return books

    connections = SimpleNamespace(ledger=ledger)
    return cast(JobRun, SimpleNamespace(job_id="job-1", lease=None, connections=connections))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_LECTURE_NEWS_SECONDS", "0.01")
    monkeypatch.setattr(lecture_place, "_FIRST_NEWS_SECONDS", 0)
    monkeypatch.setattr(lecture_place, "show", lambda _: None)


def half_way(books: Books) -> Any:
    """Work that is half done when somebody has heard of it, and then ends."""

    def work(told: Progress, stop: Event) -> str:
        told(0.5)
        books.has_heard.clear()
        assert books.has_heard.wait(10)
        return "done"

    return work


async def test_progress_is_that_of_all_steps_side_by_side(tmp_path: Path) -> None:
    books, place = Books(), Place(tmp_path)
    place.shares["slides"] = 1.0
    assert await at_length(run_with(books), place, "speech", half_way(books)) == "done"
    assert books.told[-1] == 10 + round(70 * 0.75)


async def test_a_ledger_that_is_away_for_a_moment_stops_nothing(tmp_path: Path) -> None:
    books = Books(LedgerUnavailable("away"), LedgerUnavailable("away"))
    assert await at_length(run_with(books), Place(tmp_path), "speech", half_way(books)) == "done"


async def test_a_lost_lease_stops_the_work(tmp_path: Path) -> None:
    books, stopped = Books(), Event()

    def work(told: Progress, stop: Event) -> None:
        books.errors.append(LeaseLost("held by another run"))
        assert stop.wait(10)
        stopped.set()

    with pytest.raises(LeaseLost):
        await at_length(run_with(books), Place(tmp_path), "speech", work)
    assert stopped.is_set(), "whoever raises has waited for the work to end"


async def test_of_two_steps_side_by_side_the_first_error_stops_the_other_and_is_raised(tmp_path: Path) -> None:
    run, place, begun, stopped = run_with(Books()), Place(tmp_path), Event(), Event()

    def fails(told: Progress, stop: Event) -> None:
        assert begun.wait(10)
        raise InvalidMedia("no picture")

    def goes_on(told: Progress, stop: Event) -> None:
        begun.set()
        assert stop.wait(10)
        stopped.set()

    with pytest.raises(InvalidMedia, match="no picture"):
        await side_by_side(at_length(run, place, "slides", fails), at_length(run, place, "speech", goes_on))
    assert stopped.is_set()
    assert len(asyncio.all_tasks()) == 1
