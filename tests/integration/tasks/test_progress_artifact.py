"""The progress artifact belongs to the run: it does not keep the context of the task that reported progress."""

import asyncio
import gc
import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from uuid import uuid4
from weakref import ref

import pytest

import tasks.runtime.progress_artifact
from tasks.runtime.progress_artifact import progress_artifact, report_progress
from videojobs.db import VideoJob


class StepContext:
    """A task's Prefect context: dozens of objects."""


_current_step: ContextVar[StepContext | None] = ContextVar("step", default=None)


@pytest.fixture
def shown_progress(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, StepContext | None]]:
    """The progress that was shown, and the context in which it was shown."""
    found: list[tuple[float, StepContext | None]] = []

    async def create(progress: float, **_: Any) -> Any:
        found.append((progress, _current_step.get()))
        return uuid4()

    async def update(_: Any, progress: float, **__: Any) -> None:
        found.append((progress, _current_step.get()))

    monkeypatch.setattr(tasks.runtime.progress_artifact, "acreate_progress_artifact", create)
    monkeypatch.setattr(tasks.runtime.progress_artifact, "aupdate_progress_artifact", update)
    monkeypatch.setattr(tasks.runtime.progress_artifact, "get_run_logger", lambda: logging.getLogger("test"))
    return found


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  # another task changes it
            await asyncio.sleep(0)


def job_at(percent: int) -> VideoJob:
    return VideoJob(id="job-1", progress_percentage=percent, progress_message="...")


async def test_a_finished_steps_context_is_released(
    shown_progress: list[tuple[float, StepContext | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def step(percent: int) -> "ref[StepContext]":
        context = StepContext()
        _current_step.set(context)
        report_progress(job_at(percent))
        await asyncio.sleep(0)
        return ref(context)

    monkeypatch.setattr(tasks.runtime.progress_artifact, "MIN_UPDATE_INTERVAL_SECONDS", 0)
    async with progress_artifact(job_at(0)):
        await wait_until(lambda: len(shown_progress) == 1)
        for _ in range(20):  # until no flush is in progress, so that the step's report starts one
            await asyncio.sleep(0)
        kept = await asyncio.create_task(step(10))
        await wait_until(lambda: len(shown_progress) == 2)
        await wait_until(lambda: gc.collect() >= 0 and kept() is None)
    assert shown_progress == [(0.0, None), (10.0, None)]


async def test_updates_are_coalesced_and_flushed_at_the_end(
    shown_progress: list[tuple[float, StepContext | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.runtime.progress_artifact, "MIN_UPDATE_INTERVAL_SECONDS", 3600)
    async with asyncio.timeout(10), progress_artifact(job_at(0)):
        await wait_until(lambda: len(shown_progress) == 1)
        for percent in (10, 50, 100):
            report_progress(job_at(percent))
            await asyncio.sleep(0)
    assert [percent for percent, _ in shown_progress] == [0.0, 100.0]
