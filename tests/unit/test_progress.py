"""The progress artifact belongs to the run: what told of the progress is not kept with it."""

import asyncio
import gc
import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from uuid import uuid4
from weakref import ref

import pytest

import tasks.progress
from tasks.progress import progress_board, show
from videojobs.ledger import VideoJob


class StepContext:
    """What Prefect keeps for a step: dozens of objects."""


_step: ContextVar[StepContext | None] = ContextVar("step", default=None)


@pytest.fixture
def painted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, StepContext | None]]:
    """What was shown, and in whose context."""
    found: list[tuple[float, StepContext | None]] = []

    async def create(progress: float, **_: Any) -> Any:
        found.append((progress, _step.get()))
        return uuid4()

    async def update(_: Any, progress: float, **__: Any) -> None:
        found.append((progress, _step.get()))

    monkeypatch.setattr(tasks.progress, "acreate_progress_artifact", create)
    monkeypatch.setattr(tasks.progress, "aupdate_progress_artifact", update)
    monkeypatch.setattr(tasks.progress, "get_run_logger", lambda: logging.getLogger("test"))
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # another task changes it
            await asyncio.sleep(0)


def job(percent: int) -> VideoJob:
    return VideoJob(id="job-1", progress_percentage=percent, progress_message="...")


async def test_a_step_that_told_of_its_progress_is_not_kept_while_the_next_one_waits(
    painted: list[tuple[float, StepContext | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def step(percent: int) -> "ref[StepContext]":
        context = StepContext()
        _step.set(context)
        show(job(percent))
        await asyncio.sleep(0)
        return ref(context)

    monkeypatch.setattr(tasks.progress, "PAUSE_SECONDS", 0)
    async with progress_board(job(0)):
        await until(lambda: len(painted) == 1)
        for _ in range(20):  # until nobody paints any more, so that the step's news makes somebody begin
            await asyncio.sleep(0)
        kept = await asyncio.create_task(step(10))
        await until(lambda: len(painted) == 2)
        await until(lambda: gc.collect() >= 0 and kept() is None)
    assert painted == [(0.0, None), (10.0, None)]


async def test_of_what_happens_soon_after_a_picture_the_last_is_painted_and_at_the_end_at_once(
    painted: list[tuple[float, StepContext | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.progress, "PAUSE_SECONDS", 3600)
    async with asyncio.timeout(10), progress_board(job(0)):
        await until(lambda: len(painted) == 1)
        for percent in (10, 50, 100):
            show(job(percent))
            await asyncio.sleep(0)
    assert [percent for percent, _ in painted] == [0.0, 100.0]
