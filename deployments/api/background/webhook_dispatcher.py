"""Sends the webhooks of the outbox. Every API process may run one: Postgres gives each delivery to one of them.

A slow or dead endpoint holds a few of the places for messages at most, and endpoints whose last try failed hold half of
all places together; so the others are sent without delay.
"""

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from videojobs.db import JobRepository
from videojobs.db.webhook_deliveries import ClaimedDelivery, ClaimLimits, RetryPolicy
from videojobs.db.webhook_models import DeliveryState
from videojobs.db.webhook_outbox import OUTBOX_TOPIC
from videojobs.errors import DatabaseUnavailable
from videojobs.media.pinned_transport import Resolver, resolve
from videojobs.media.url_policy import UrlPolicy
from videojobs.settings import AccessSettings
from videojobs.webhooks.events import to_body
from videojobs.webhooks.sender import AttemptResult, WebhookSender
from videojobs.webhooks.settings import WebhookSettings
from videojobs.webhooks.signing import signed_headers
from videojobs.webhooks.url_rules import webhook_policy

WebhookOutcome = Literal["delivered", "retried", "failed", "deleted", "not_recorded"]
"""`failed`: there is no further try. `deleted`: its owner deleted it meanwhile. `not_recorded`: it is sent again."""

# A claim must outlast a try and its record. After a crash, the delivery waits for the rest of it.
_CLAIM_MARGIN_SECONDS: Final = 30.0
_RECORD_SECONDS: Final = 10.0  # retries of a record while Postgres is away; a restart takes seconds
_RECORD_RETRY_SECONDS: Final = 0.5
_MIN_CLAIM_INTERVAL_SECONDS: Final = 0.03  # one query for the places that become free within it
_SHUTDOWN_SECONDS: Final = 5.0  # what is being sent may finish; what does not is sent again by another process

log = logging.getLogger(__name__)


class WebhookDispatcher:
    """One per process."""

    def __init__(self, get_repository: Callable[[], Awaitable[JobRepository]], *, resolver: Resolver = resolve) -> None:
        self._get_repository = get_repository
        self._resolver = resolver
        self._sender: WebhookSender | None = None
        self._in_flight: dict[asyncio.Task[None], ClaimedDelivery] = {}
        self._wake = asyncio.Event()
        self.on_outcome: Callable[[WebhookOutcome], None] = lambda _: None

    async def run(self) -> None:
        """Send what is due, forever. Raises if the database does not answer."""
        repository = await self._get_repository()
        with repository.notifications.subscribe(OUTBOX_TOPIC, self._wake.set):
            while True:
                self._wake.clear()
                claimed = await self._claim(repository)
                for delivery in claimed:
                    self._start(repository, delivery)
                if not claimed:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(WebhookSettings.current().poll_seconds):
                            await self._wake.wait()
                await asyncio.sleep(_MIN_CLAIM_INTERVAL_SECONDS)

    async def close(self) -> None:
        """Let running tries end for a moment, then stop."""
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=_SHUTDOWN_SECONDS)
        for task in self._in_flight:
            task.cancel()
        await asyncio.gather(*self._in_flight, return_exceptions=True)
        if self._sender is not None:
            await self._sender.close()

    async def _claim(self, repository: JobRepository) -> Sequence[ClaimedDelivery]:
        settings = WebhookSettings.current()
        running = list(self._in_flight.values())
        limits = ClaimLimits(
            total=settings.max_concurrent - len(running),
            per_lane=settings.max_concurrent_per_endpoint,
            failing=max(0, settings.max_concurrent // 2 - sum(delivery.is_failing for delivery in running)),
            busy_lanes=Counter(delivery.lane for delivery in running),
        )
        if limits.total <= 0:
            return []
        return await repository.claim_deliveries(limits, settings.timeout_seconds + _CLAIM_MARGIN_SECONDS)

    def _start(self, repository: JobRepository, delivery: ClaimedDelivery) -> None:
        task = asyncio.create_task(self._deliver(repository, delivery))
        self._in_flight[task] = delivery
        task.add_done_callback(self._finish)

    def _finish(self, task: asyncio.Task[None]) -> None:
        delivery = self._in_flight.pop(task)
        self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("Webhook %s is sent again later: %s", delivery.id, type(error).__name__, exc_info=error)
            self.on_outcome("not_recorded")

    async def _deliver(self, repository: JobRepository, delivery: ClaimedDelivery) -> None:
        result = await self._send(delivery)
        settings = WebhookSettings.current()
        policy = RetryPolicy(
            [timedelta(seconds=seconds) for seconds in settings.retry_delays_seconds],
            timedelta(days=settings.disable_after_days),
        )
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(DatabaseUnavailable),
            wait=wait_fixed(_RECORD_RETRY_SECONDS),
            stop=stop_after_delay(_RECORD_SECONDS),
            reraise=True,
        )
        state: DeliveryState | None = await retrying(repository.record_attempt, delivery, result, policy)
        self.on_outcome(_outcome(state))
        if state is DeliveryState.FAILED:
            log.warning("Webhook %s of endpoint %s failed: %s", delivery.id, delivery.endpoint_id, result.error)

    async def _send(self, delivery: ClaimedDelivery) -> AttemptResult:
        self._sender = self._sender or WebhookSender(_current_policy, resolver=self._resolver)
        body = json.dumps(to_body(delivery.event, delivery.created_at.astimezone(UTC).isoformat(), delivery.data))
        headers = signed_headers(delivery.id, datetime.now(UTC), body, delivery.secrets)
        return await self._sender.send(
            delivery.url,
            headers,
            body,
            timeout_seconds=WebhookSettings.current().timeout_seconds,
            fault_job=delivery.fault_job,
        )


def _current_policy() -> UrlPolicy:
    return webhook_policy(AccessSettings.current())


def _outcome(state: DeliveryState | None) -> WebhookOutcome:
    match state:
        case DeliveryState.DELIVERED:
            return "delivered"
        case DeliveryState.PENDING:
            return "retried"
        case DeliveryState.FAILED:
            return "failed"
        case _:
            return "deleted"
