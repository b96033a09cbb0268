"""`/metrics` for Prometheus: how the jobs stand, by the ledger, and what this process has seen.

The figures of the job state are the same whichever process of the front door is asked; counters are of this process.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from deployments.api.settings import ApiSettings
from deployments.api.views.job_metrics import JobStatsCollector, JobStatsSnapshot
from videojobs.db import JobRepository

log = logging.getLogger(__name__)
router = APIRouter(tags=["operations"])

_PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_DURATION_BUCKETS: Final = (
    0.01,
    0.05,
    0.1,
    0.25,
    0.5,
    1,
    2.5,
    5,
    10,
    60,
    600,
)  # seconds: a status, a callback, an upload


class Metrics:
    """All figures of one front door."""

    def __init__(self, settings: ApiSettings, get_repository: Callable[[], Awaitable[JobRepository]]) -> None:
        self._settings = settings
        self._get_repository = get_repository
        self._job_stats = JobStatsCollector()
        self._refresh_at = 0.0  # on the monotonic clock
        self._refresh_lock = asyncio.Lock()
        self.registry = CollectorRegistry()
        self.registry.register(self._job_stats)
        ProcessCollector(registry=self.registry)
        self.in_progress = Gauge("videojobs_gateway_requests_in_progress", "Requests", registry=self.registry)
        self._requests = Counter(
            "videojobs_gateway_requests", "Requests", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "videojobs_gateway_request_seconds", "Time", ("route",), registry=self.registry, buckets=_DURATION_BUCKETS
        )
        self._received = Counter(
            "videojobs_gateway_received_bytes", "Bodies of requests, uploads first", ("route",), registry=self.registry
        )
        self._callbacks = Counter("videojobs_callbacks", "Callbacks", ("vendor", "outcome"), registry=self.registry)

    def record_request(self, method: str, route: str, status: int, seconds: float, received: int) -> None:
        """A request has ended."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        self._received.labels(route).inc(received)

    def record_callback(self, vendor: str, outcome: Literal["taken", "refused", "put off"]) -> None:
        """What became of a vendor's callback; one that is put off is asked to come again."""
        self._callbacks.labels(vendor, outcome).inc()

    async def render(self) -> bytes:
        """In Prometheus' own format."""
        async with self._refresh_lock:
            if time.monotonic() >= self._refresh_at:
                self._job_stats.snapshot = await self._load_snapshot()
                self._refresh_at = time.monotonic() + self._settings.metrics_cache_seconds
        return generate_latest(self.registry)

    async def _load_snapshot(self) -> JobStatsSnapshot | None:
        """None while the ledger does not answer: old figures would look like new ones."""
        try:
            async with asyncio.timeout(self._settings.readiness_timeout_seconds):
                return await JobStatsSnapshot.load(await self._get_repository())
        except Exception as error:  # what this process has seen can be told all the same
            log.warning("No figures of the jobs: %s: %s", type(error).__name__, error)
            return None


def get_metrics(request: Request) -> Metrics:
    """Those of the application."""
    metrics: Metrics = request.app.state.metrics
    return metrics


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Who may read it: `Door.metrics_token`."""
    _authorize(request, ApiSettings())
    return Response(await get_metrics(request).render(), media_type=CONTENT_TYPE_LATEST)


def _authorize(request: Request, settings: ApiSettings) -> None:
    if settings.metrics_token is not None:
        authorization = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(authorization, b"Bearer " + settings.metrics_token.get_secret_value().encode()):
            raise HTTPException(401, "this needs the token of the metrics", {"WWW-Authenticate": "Bearer"})
    elif not _is_local_caller(request):
        raise HTTPException(403, "this is for callers on the same machine; set a token for others")


def _is_local_caller(request: Request) -> bool:
    """Whether the caller is on this machine, and not a proxy there that brings somebody else's request."""
    host = request.client.host if request.client else ""
    try:
        is_loopback = ip_address(host).is_loopback
    except ValueError:
        return False
    return is_loopback and not any(name in request.headers for name in _PROXY_HEADERS)
