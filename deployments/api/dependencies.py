"""What the parts of the front door share while it runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from deployments.api.background.job_watcher import JobWatcher
from deployments.api.background.run_launcher import RunLauncher
from deployments.api.rate_limit import TokenBuckets
from deployments.api.services import Services
from deployments.api.settings import ApiSettings
from deployments.api.uploads.cleanup import remove_abandoned_uploads
from deployments.api.uploads.s3_stream import UploadPool
from videojobs.db.engine import close_engines

log = logging.getLogger(__name__)


@dataclass
class AppState:
    """One front door."""

    settings: ApiSettings
    services: Services
    request_buckets: TokenBuckets = field(init=False)  # by token
    auth_failure_buckets: TokenBuckets = field(init=False)  # by address
    upload_pool: UploadPool = field(init=False)
    run_launcher: RunLauncher = field(init=False)
    job_watcher: JobWatcher = field(init=False)

    def __post_init__(self) -> None:
        self.request_buckets = TokenBuckets(self.settings.requests_per_minute)
        self.auth_failure_buckets = TokenBuckets(self.settings.failures_per_minute)
        self.upload_pool = UploadPool(max_uploads=self.settings.max_uploads, max_buffers=self.settings.upload_buffers)
        self.run_launcher = RunLauncher(self.services)
        self.job_watcher = JobWatcher(self.services.repository, self.settings)

    @asynccontextmanager
    async def run_background_tasks(self) -> AsyncIterator[None]:
        """As long as the context lasts, what was taken in is started, and what was left behind is removed."""
        tasks = [
            asyncio.create_task(
                _run_periodically(self.run_launcher.launch_pending, self.settings.launch_retry_seconds)
            ),
            asyncio.create_task(
                _run_periodically(
                    lambda: remove_abandoned_uploads(self.services, self.settings.direct_upload_hours),
                    self.settings.cleanup_interval_minutes * 60,
                )
            ),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.upload_pool.close()
            for close in (self.services.runs.close, close_engines):
                with suppress(Exception):
                    await close()


async def _run_periodically(work: Callable[[], Awaitable[None]], interval_seconds: float) -> None:
    """For ever; what goes wrong once is tried again next time, and said once as long as it stays the same."""
    last_error = ""
    while True:
        try:
            await work()
            last_error = ""
        except Exception as error:
            description = f"{type(error).__name__}: {error}"
            if description != last_error:
                log.warning("Work beside the requests is not done now: %s", description)
            last_error = description
        await asyncio.sleep(interval_seconds)


def get_app_state(request: Request) -> AppState:
    """The one that the application was made with."""
    state: AppState = request.app.state.app_state
    return state


AppStateDep = Annotated[AppState, Depends(get_app_state)]
