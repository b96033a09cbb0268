"""Polls the jobs that have event streams: one query for all of them, however many clients listen."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

from deployments.api.errors import ApiError
from deployments.api.settings import ApiSettings
from videojobs.aio.periodic import run_periodically
from videojobs.db import JobRepository, VideoJob

_RETRY_AFTER: Final = {"Retry-After": "30"}  # seconds

log = logging.getLogger(__name__)


class Subscription:
    """Waits for the next change of one job."""

    def __init__(self, job: VideoJob) -> None:
        self.job_id = job.id
        self._queue: asyncio.Queue[VideoJob | None] = asyncio.Queue(1)
        self._last = job

    def publish(self, job: VideoJob | None) -> None:
        """Pass on the job's current row, None if it is gone. A slow listener gets the newest row only."""
        if job is not None and job.updated_at == self._last.updated_at:
            return
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(job)
        self._last = job or self._last

    async def next_change(self) -> VideoJob | None:
        """Wait for the next change; None if the job is gone."""
        return await self._queue.get()


class JobWatcher:
    """Polls while there are subscriptions."""

    def __init__(self, get_repository: Callable[[], Awaitable[JobRepository]], settings: ApiSettings) -> None:
        self._get_repository = get_repository
        self._poll_interval = settings.job_poll_interval_seconds
        self._max_subscriptions = settings.max_streams
        self._subscriptions: set[Subscription] = set()
        self._poll_task: asyncio.Task[None] | None = None

    def check_capacity(self) -> None:
        """Raises ApiError (503) if there are too many subscriptions."""
        if len(self._subscriptions) >= self._max_subscriptions:
            raise ApiError(503, "Too many open event streams; poll the status instead.", headers=_RETRY_AFTER)

    @contextmanager
    def subscribe(self, job: VideoJob) -> Iterator[Subscription]:
        """Report changes to `job`, as it was loaded a moment ago, until the context ends."""
        subscription = Subscription(job)
        self._subscriptions.add(subscription)
        if self._poll_task is None:
            polling = run_periodically(self._poll, self._poll_interval, log, name="polling jobs for event streams")
            self._poll_task = asyncio.create_task(polling)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)
            if not self._subscriptions and self._poll_task is not None:
                self._poll_task.cancel()
                self._poll_task = None

    async def _poll(self) -> None:
        subscriptions = list(self._subscriptions)
        found = await (await self._get_repository()).jobs_by_id({subscription.job_id for subscription in subscriptions})
        for subscription in subscriptions:
            subscription.publish(found.get(subscription.job_id))
