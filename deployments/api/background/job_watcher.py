"""Looks at the jobs that somebody listens to: all of them in one query a second, however many listen."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from deployments.api.errors import ApiError
from deployments.api.settings import ApiSettings
from videojobs.db import JobRepository, VideoJob

_RETRY_AFTER: Final = {"Retry-After": "30"}

log = logging.getLogger(__name__)


class Subscription:
    """Waits for the next change of one job."""

    def __init__(self, job: VideoJob) -> None:
        self.job_id = job.id
        self._queue: asyncio.Queue[VideoJob | None] = asyncio.Queue(1)
        self._last = job

    def publish(self, job: VideoJob | None) -> None:
        """How the job stands now; None where it is gone. Who is slow to listen hears the newest only."""
        if job is not None and job.updated_at == self._last.updated_at:
            return
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(job)
        self._last = job or self._last

    async def next_change(self) -> VideoJob | None:
        """Waits; None where the job is gone."""
        return await self._queue.get()


class JobWatcher:
    """Looks as long as there are listeners."""

    def __init__(self, get_repository: Callable[[], Awaitable[JobRepository]], settings: ApiSettings) -> None:
        self._get_repository = get_repository
        self._poll_interval = settings.job_poll_interval_seconds
        self._max_subscriptions = settings.max_streams
        self._subscriptions: set[Subscription] = set()
        self._poll_task: asyncio.Task[None] | None = None

    def check_capacity(self) -> None:
        """Raises a refusal where there are too many listeners."""
        if len(self._subscriptions) >= self._max_subscriptions:
            raise ApiError(503, "Too many listeners; ask for the status instead.", headers=_RETRY_AFTER)

    @contextmanager
    def subscribe(self, job: VideoJob) -> Iterator[Subscription]:
        """A listener to a job that stood so a moment ago."""
        subscription = Subscription(job)
        self._subscriptions.add(subscription)
        if self._poll_task is None:
            self._poll_task = asyncio.create_task(self._poll_loop())
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            if not self._subscriptions and self._poll_task is not None:
                self._poll_task.cancel()
                self._poll_task = None

    async def _poll_loop(self) -> None:
        while True:
            await asyncio.sleep(self._poll_interval)
            try:
                await self._poll()
            except Exception as error:  # whatever it is, the next look may see again
                log.warning("Listeners hear nothing now: %s", type(error).__name__)

    async def _poll(self) -> None:
        subscriptions = list(self._subscriptions)
        found = await (await self._get_repository()).jobs_by_id({subscription.job_id for subscription in subscriptions})
        for listener in subscriptions:
            listener.publish(found.get(listener.job_id))
