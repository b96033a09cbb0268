"""Long work in a run: it reports progress, and stops when its result is no longer needed."""

import asyncio
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tasks.lecture import gather_fail_fast
from tasks.runtime import lecture_workspace
from tasks.runtime.job_run import JobRun
from tasks.runtime.lecture_workspace import Workspace, run_with_progress
from videojobs.errors import DatabaseUnavailable, InvalidMedia, LeaseLost
from videojobs.lecture.progress import ProgressCallback
from videojobs.states import RecoveryPoint


class FakeRepository:
    """Records progress reports; first raises the given errors."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.progress_reports: list[int] = []
        self.reported = Event()

    async def get_job(self, job_id: str) -> Any:
        return SimpleNamespace(id=job_id, recovery_point=RecoveryPoint.FETCHED, progress_message="working")

    async def update_progress(self, lease: object, progress: int, message: str) -> Any:
        if self.errors:
            raise self.errors.pop(0)
        self.progress_reports.append(progress)
        self.reported.set()
        return await self.get_job("job-1")


def make_job_run(repository: FakeRepository) -> JobRun:
    async def open_repository() -> FakeRepository:
        return repository

    connections = SimpleNamespace(repository=open_repository)
    return cast(JobRun, SimpleNamespace(job_id="job-1", lease=None, connections=connections))


@pytest.fixture(autouse=True)
def _short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_LECTURE_PROGRESS_INTERVAL_SECONDS", "0.01")
    monkeypatch.setattr(lecture_workspace, "_FIRST_REPORT_SECONDS", 0)
    monkeypatch.setattr(lecture_workspace, "report_progress", lambda _: None)


def report_half_and_wait(repository: FakeRepository) -> Any:
    """Work that reports half, waits for that report, and then ends."""

    def work(told: ProgressCallback, stop: Event) -> str:
        told(0.5)
        repository.reported.clear()
        assert repository.reported.wait(10)
        return "done"

    return work


async def test_progress_combines_parallel_steps(tmp_path: Path) -> None:
    books, place = FakeRepository(), Workspace(tmp_path)
    place.progress_by_step["slides"] = 1.0
    assert await run_with_progress(make_job_run(books), place, "speech", report_half_and_wait(books)) == "done"
    assert books.progress_reports[-1] == 10 + round(70 * 0.75)


async def test_a_brief_database_outage_does_not_stop_the_work(tmp_path: Path) -> None:
    books = FakeRepository(DatabaseUnavailable("away"), DatabaseUnavailable("away"))
    assert (
        await run_with_progress(make_job_run(books), Workspace(tmp_path), "speech", report_half_and_wait(books))
        == "done"
    )


async def test_a_lost_lease_stops_the_work(tmp_path: Path) -> None:
    books, stopped = FakeRepository(), Event()

    def work(told: ProgressCallback, stop: Event) -> None:
        books.errors.append(LeaseLost("held by another run"))
        assert stop.wait(10)
        stopped.set()

    with pytest.raises(LeaseLost):
        await run_with_progress(make_job_run(books), Workspace(tmp_path), "speech", work)
    assert stopped.is_set(), "whoever raises has waited for the work to end"


async def test_the_first_error_stops_the_parallel_step_and_is_raised(tmp_path: Path) -> None:
    run, place, begun, stopped = make_job_run(FakeRepository()), Workspace(tmp_path), Event(), Event()

    def fail(told: ProgressCallback, stop: Event) -> None:
        assert begun.wait(10)
        raise InvalidMedia("no picture")

    def run_until_stopped(told: ProgressCallback, stop: Event) -> None:
        begun.set()
        assert stop.wait(10)
        stopped.set()

    with pytest.raises(InvalidMedia, match="no picture"):
        await gather_fail_fast(
            run_with_progress(run, place, "slides", fail), run_with_progress(run, place, "speech", run_until_stopped)
        )
    assert stopped.is_set()
    assert len(asyncio.all_tasks()) == 1
