"""Runs accepted jobs: at most two transforms at once, each job for at least the processing time."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MAX_TRANSFORMS = 2  # the machine is shared with the product and its database
log = logging.getLogger(__name__)


class ShuttingDown(Exception):
    """The emulator is stopping; the next start resumes the job."""


class JobRunner:
    """Each wait reads `processing_seconds` again, so that it can change while jobs run."""

    def __init__(self, processing_seconds: Callable[[], float]) -> None:
        self._processing_seconds = processing_seconds
        self._clock_changed = asyncio.Event()
        self._stopping = threading.Event()
        self._transforms = ThreadPoolExecutor(MAX_TRANSFORMS, thread_name_prefix="transform")
        self._jobs: set[asyncio.Task[None]] = set()

    def start(self, job: Coroutine[None, None, None]) -> None:
        """Run a job in the background."""
        task = asyncio.get_running_loop().create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a job failed unexpectedly", exc_info=error)

    def progress_ratio(self, since: float) -> float:
        """The elapsed share (0 to 1) of the processing time since the Unix time `since`."""
        whole = self._processing_seconds()
        return 1.0 if whole <= 0 else min(1.0, (time.time() - since) / whole)

    async def wait_for_share(self, since: float, share: float) -> None:
        """Wait until this share of the processing time has elapsed since the Unix time `since`."""
        while (left := since + share * self._processing_seconds() - time.time()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._clock_changed.wait(), left)

    def wake_waiters(self) -> None:
        """Call after a change of the processing time: all waits start over."""
        self._clock_changed.set()
        self._clock_changed = asyncio.Event()

    async def run_transform(
        self,
        function: Callable[Concatenate[Callable[[], None], P], T],
        *arguments: P.args,
        **options: P.kwargs,
    ) -> T:
        """Run `function(check, ...)` in a thread. `check()` raises ShuttingDown at the stop; call it often."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._transforms, lambda: function(self._raise_if_stopping, *arguments, **options)
        )

    def _raise_if_stopping(self) -> None:
        if self._stopping.is_set():
            raise ShuttingDown

    async def close(self) -> None:
        """Cancel all jobs. Unfinished ones stay unfinished in the database."""
        self._stopping.set()
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        self._transforms.shutdown(wait=True, cancel_futures=True)
