"""Prometheus metrics: job statistics from the database, and counters of this process.

Every API process reports the same job statistics; counters are per process.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from fastapi import Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from deployments.api.background.webhook_dispatcher import WebhookOutcome
from deployments.api.settings import ApiSettings
from deployments.api.views.job_metrics import JobStatsCollector, JobStatsSnapshot
from videojobs.db import JobRepository

log = logging.getLogger(__name__)

# Seconds: from a status or a callback to an upload.
_DURATION_BUCKETS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600)

CallbackOutcome = Literal["accepted", "rejected", "deferred"]
"""`deferred`: responded to with an error that makes the vendor send it again."""


class Metrics:
    """The metrics of one application."""

    def __init__(self, settings: ApiSettings, get_repository: Callable[[], Awaitable[JobRepository]]) -> None:
        self._settings = settings
        self._get_repository = get_repository
        self._job_stats = JobStatsCollector()
        self._refresh_at = 0.0  # on the monotonic clock
        self._refresh_lock = asyncio.Lock()
        self.registry = CollectorRegistry()
        self.registry.register(self._job_stats)
        ProcessCollector(registry=self.registry)
        self.in_progress = Gauge("videojobs_api_requests_in_progress", "Requests", registry=self.registry)
        self._requests = Counter(
            "videojobs_api_requests", "Requests", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "videojobs_api_request_seconds", "Duration", ("route",), registry=self.registry, buckets=_DURATION_BUCKETS
        )
        self._received = Counter(
            "videojobs_api_received_bytes", "Bytes of request bodies", ("route",), registry=self.registry
        )
        self._webhooks = Counter(
            "videojobs_webhook_attempts", "Tries to send a webhook", ("outcome",), registry=self.registry
        )
        self._callbacks = Counter("videojobs_callbacks", "Callbacks", ("vendor", "outcome"), registry=self.registry)

    def record_request(self, method: str, route: str, status: int, seconds: float, received: int) -> None:
        """Count a finished request with its duration and the bytes of its body."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        self._received.labels(route).inc(received)

    def record_callback(self, vendor: str, outcome: CallbackOutcome) -> None:
        """Count a vendor's callback."""
        self._callbacks.labels(vendor, outcome).inc()

    def record_webhook(self, outcome: WebhookOutcome) -> None:
        """Count a try to send a webhook."""
        self._webhooks.labels(outcome).inc()

    async def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        async with self._refresh_lock:
            if time.monotonic() >= self._refresh_at:
                self._job_stats.snapshot = await self._load_snapshot()
                self._refresh_at = time.monotonic() + self._settings.metrics_cache_seconds
        return generate_latest(self.registry)

    async def _load_snapshot(self) -> JobStatsSnapshot | None:
        """None while the database does not respond: old statistics would look current."""
        try:
            async with asyncio.timeout(self._settings.readiness_timeout_seconds):
                return await JobStatsSnapshot.load(await self._get_repository())
        except Exception as error:  # the counters of this process are still worth reporting
            log.warning("No job statistics: %s: %s", type(error).__name__, error)
            return None


def get_metrics(request: Request) -> Metrics:
    """The application's metrics."""
    metrics: Metrics = request.app.state.metrics
    return metrics
