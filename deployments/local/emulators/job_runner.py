"""Where accepted jobs are worked on: at most two transforms at once, and nothing is done before its time."""

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
    """The program ends; the job is taken up again at the next start."""


class JobRunner:
    """`processing_seconds` is asked anew at every wait, so a vendor's clock can be changed under way."""

    def __init__(self, processing_seconds: Callable[[], float]) -> None:
        self._processing_seconds = processing_seconds
        self._clock_changed = asyncio.Event()
        self._stopping = threading.Event()
        self._transforms = ThreadPoolExecutor(MAX_TRANSFORMS, thread_name_prefix="transform")
        self._jobs: set[asyncio.Task[None]] = set()

    def start(self, job: Coroutine[None, None, None]) -> None:
        """Let a job's life run beside everything else."""
        task = asyncio.get_running_loop().create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._on_done)

    def _on_done(self, task: asyncio.Task[None]) -> None:
        self._jobs.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a job's life broke off", exc_info=error)

    def progress_ratio(self, since: float) -> float:
        """How much (0 to 1) of the processing time has passed since the Unix time `since`."""
        whole = self._processing_seconds()
        return 1.0 if whole <= 0 else min(1.0, (time.time() - since) / whole)

    async def wait_for_share(self, since: float, share: float) -> None:
        """Return when that share of the processing time has passed since the Unix time `since`."""
        while (left := since + share * self._processing_seconds() - time.time()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._clock_changed.wait(), left)

    def wake_waiters(self) -> None:
        """The processing time is another one now: everyone who waits has to look again."""
        self._clock_changed.set()
        self._clock_changed = asyncio.Event()

    async def run_transform(
        self,
        function: Callable[Concatenate[Callable[[], None], P], T],
        *arguments: P.args,
        **options: P.kwargs,
    ) -> T:
        """Run `work(go_on, ...)` in a thread. `go_on()` raises Stopped when the program ends; call it often."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self._transforms, lambda: function(self._raise_if_stopping, *arguments, **options)
        )

    def _raise_if_stopping(self) -> None:
        if self._stopping.is_set():
            raise ShuttingDown

    async def close(self) -> None:
        """Break off all jobs. What they had not finished stays unfinished in the books."""
        self._stopping.set()
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        self._transforms.shutdown(wait=True, cancel_futures=True)
