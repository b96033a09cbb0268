"""Periodic background work continues after errors, and does not fill the log with them."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from videojobs.aio.periodic import run_periodically

log = logging.getLogger("test.periodic")


class Work:
    """Fails as scripted, then records one more call."""

    def __init__(self, *errors: str | None) -> None:
        self._errors: Iterator[str | None] = iter(errors)
        self.is_done = asyncio.Event()

    async def __call__(self) -> None:
        for error in self._errors:
            if error is None:
                return
            raise OSError(error)
        self.is_done.set()


async def run(work: Work, *, interval_seconds: float = 0.001, immediately: bool = False) -> None:
    """Run until the script is over."""
    task = asyncio.create_task(run_periodically(work, interval_seconds, log, name="the work", immediately=immediately))
    try:
        async with asyncio.timeout(5):
            await work.is_done.wait()
    finally:
        task.cancel()


async def test_work_goes_on_after_an_error(caplog: pytest.LogCaptureFixture) -> None:
    await run(Work("no route"))
    assert "the work (OSError: no route)" in caplog.text


async def test_a_repeated_error_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    await run(Work("no route", "no route", "refused", "refused", None, "refused"))
    assert [record.args[-1] for record in caplog.records if isinstance(record.args, tuple)] == [
        "OSError: no route",
        "OSError: refused",
        "OSError: refused",
    ]


async def test_work_can_begin_at_once() -> None:
    await run(Work(), interval_seconds=3600, immediately=True)
