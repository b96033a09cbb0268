"""Looks at the jobs that somebody listens to: all of them in one query a second, however many listen."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from deployments.gateway.problems import Refused
from deployments.gateway.settings import Door
from videojobs.ledger import Ledger, VideoJob

_COME_AGAIN: Final = {"Retry-After": "30"}

log = logging.getLogger(__name__)


class Listener:
    """Waits for the next change of one job."""

    def __init__(self, job: VideoJob) -> None:
        self.job_id = job.id
        self._queue: asyncio.Queue[VideoJob | None] = asyncio.Queue(1)
        self._last = job

    def tell(self, job: VideoJob | None) -> None:
        """How the job stands now; None where it is gone. Who is slow to listen hears the newest only."""
        if job is not None and job.updated_at == self._last.updated_at:
            return
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(job)
        self._last = job or self._last

    async def next(self) -> VideoJob | None:
        """Waits; None where the job is gone."""
        return await self._queue.get()


class Watch:
    """Looks as long as there are listeners."""

    def __init__(self, ledger: Callable[[], Awaitable[Ledger]], door: Door) -> None:
        self._ledger = ledger
        self._seconds = door.look_seconds
        self._most = door.streams_at_once
        self._listeners: set[Listener] = set()
        self._looking: asyncio.Task[None] | None = None

    def check_room(self) -> None:
        """Raises a refusal where there are too many listeners."""
        if len(self._listeners) >= self._most:
            raise Refused(503, "Too many listeners; ask for the status instead.", headers=_COME_AGAIN)

    @contextmanager
    def listening(self, job: VideoJob) -> Iterator[Listener]:
        """A listener to a job that stood so a moment ago."""
        listener = Listener(job)
        self._listeners.add(listener)
        if self._looking is None:
            self._looking = asyncio.create_task(self._look_again_and_again())
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._looking is not None:
                self._looking.cancel()
                self._looking = None

    async def _look_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self._look()
            except Exception as error:  # whatever it is, the next look may see again
                log.warning("Listeners hear nothing now: %s", type(error).__name__)

    async def _look(self) -> None:
        listeners = list(self._listeners)
        found = await (await self._ledger()).jobs_by_id({listener.job_id for listener in listeners})
        for listener in listeners:
            listener.tell(found.get(listener.job_id))
