"""The state that all endpoints of one API process share."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Final

from fastapi import Depends, Request

from deployments.api.background.abandoned_uploads import remove_abandoned_uploads
from deployments.api.background.job_watcher import JobWatcher
from deployments.api.background.run_launcher import RunLauncher
from deployments.api.background.webhook_dispatcher import WebhookDispatcher
from deployments.api.background.webhook_retention import delete_old_webhooks
from deployments.api.jobs.estimate_pool import EstimatePool
from deployments.api.partner_tokens import PartnerTokenVerifier
from deployments.api.rate_limit import TokenBuckets
from deployments.api.services import Services
from deployments.api.settings import ApiSettings, PartnerTokenSettings
from deployments.api.uploads.s3_stream import UploadPool
from videojobs.aio.periodic import run_periodically
from videojobs.db.engine import close_engines

WEBHOOK_RETRY_SECONDS: Final = 2  # after the database did not answer

log = logging.getLogger(__name__)


@dataclass
class AppState:
    """What one application holds."""

    settings: ApiSettings
    services: Services
    request_buckets: TokenBuckets = field(init=False)  # by token
    auth_failure_buckets: TokenBuckets = field(init=False)  # by address
    partner_tokens: PartnerTokenVerifier | None = field(init=False)  # None: only our own tokens are accepted
    upload_pool: UploadPool = field(init=False)
    estimate_pool: EstimatePool = field(init=False)
    run_launcher: RunLauncher = field(init=False)
    job_watcher: JobWatcher = field(init=False)
    webhook_dispatcher: WebhookDispatcher = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.request_buckets = TokenBuckets(settings.requests_per_minute)
        self.auth_failure_buckets = TokenBuckets(settings.failures_per_minute)
        self.partner_tokens = PartnerTokenVerifier.from_settings(PartnerTokenSettings())
        self.upload_pool = UploadPool(max_uploads=settings.max_uploads, max_buffers=settings.upload_buffers)
        self.estimate_pool = EstimatePool(settings.max_estimates)
        self.run_launcher = RunLauncher(self.services)
        self.job_watcher = JobWatcher(self.services.repository, settings)
        self.webhook_dispatcher = WebhookDispatcher(self.services.repository)

    @asynccontextmanager
    async def run_background_tasks(self) -> AsyncIterator[None]:
        """Launch pending runs, send webhooks and clean up until the context ends; then close all connections."""
        remove_uploads = partial(remove_abandoned_uploads, self.services, self.settings.direct_upload_url_ttl_hours)
        launching = run_periodically(
            self.run_launcher.launch_pending,
            self.settings.launch_retry_seconds,
            log,
            name="starting the runs of accepted jobs",
            immediately=True,
        )
        cleaning = run_periodically(
            remove_uploads,
            self.settings.cleanup_interval_minutes * 60,
            log,
            name="removing abandoned uploads",
            immediately=True,
        )
        sending = run_periodically(
            self.webhook_dispatcher.run, WEBHOOK_RETRY_SECONDS, log, name="sending webhooks", immediately=True
        )
        expiring = run_periodically(
            partial(delete_old_webhooks, self.services),
            self.settings.cleanup_interval_minutes * 60,
            log,
            name="deleting old webhook deliveries",
            immediately=True,
        )
        tasks = [asyncio.create_task(work) for work in (launching, cleaning, sending, expiring)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.upload_pool.close()
            for close in (self.webhook_dispatcher.close, self.services.runs.close, close_engines):
                with suppress(Exception):
                    await close()


def get_app_state(request: Request) -> AppState:
    """The state that the application was created with."""
    state: AppState = request.app.state.app_state
    return state


AppStateDep = Annotated[AppState, Depends(get_app_state)]
