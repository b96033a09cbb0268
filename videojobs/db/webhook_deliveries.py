"""Deliveries: claim those that are due, record each try, list and replay.

A delivery is claimed by moving its next try behind the end of this one, and sent without an open transaction. A
process that is killed in between leaves it claimed until then, and another one sends it again: at least once.
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, func, select, text, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from videojobs.db.models import Json
from videojobs.db.notifications import notify
from videojobs.db.repository_base import NOW, RepositoryBase
from videojobs.db.webhook_endpoints import disable_endpoint, require_enabled
from videojobs.db.webhook_models import DeliveryState, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from videojobs.db.webhook_outbox import OUTBOX_TOPIC
from videojobs.errors import VideoJobError
from videojobs.webhooks.sender import AttemptResult

_GONE: Final = 410  # the receiver wants nothing any more (Standard Webhooks)
# An endpoint that gets a message a month is not disabled for the first try that fails after a long silence.
_MIN_ATTEMPTS_TO_DISABLE: Final = 4
_DELETE_BATCH: Final = 10_000  # rows in one statement: tenths of a second

FAULT_JOB: Final = "webhooks"
"""Stands for a job's id in the fault points of claims, which concern many jobs, and of tests, which concern none."""


class UnknownDelivery(VideoJobError):
    """No delivery of this user has this id."""

    code = "webhook_delivery_not_found"


@dataclass(frozen=True, slots=True)
class DeliveryCursor:
    """The last delivery on a page of a list."""

    created_at: datetime
    delivery_id: str


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that this process may send now."""

    id: str
    endpoint_id: uuid.UUID
    job_id: str | None
    lane: str
    url: str
    event: str
    data: Json
    created_at: datetime
    secrets: tuple[str, ...]  # the live ones, newest first
    is_failing: bool  # the endpoint's last try failed

    @property
    def fault_job(self) -> str:
        """What fault points of this delivery are armed by."""
        return self.job_id or FAULT_JOB


@dataclass(frozen=True, slots=True)
class ClaimLimits:
    """How many deliveries may be claimed now: in all, for one lane, and for all that are failing."""

    total: int
    per_lane: int
    failing: int
    busy_lanes: Mapping[str, int]
    """Deliveries of each lane that this process is sending."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Pauses after the failed tries, and when an endpoint is disabled."""

    delays: Sequence[timedelta]
    disable_after: timedelta


@dataclass(frozen=True, slots=True)
class PendingDeliveries:
    """Statistics of what is not delivered yet. Seconds."""

    count: int
    oldest_seconds: float  # since its event
    overdue_seconds: float  # since the moment when it should have been sent


# The lanes with pending deliveries are found by a loose index scan, so a backlog of one costs no more than a single
# delivery. Those that have waited longest come first. Of each lane a few are taken, first ones before second ones.
_CLAIM: Final = text(
    """
WITH RECURSIVE lanes(lane) AS (
  (SELECT lane FROM webhook_deliveries WHERE state = 'pending' ORDER BY lane LIMIT 1)
  UNION ALL
  SELECT (SELECT next.lane FROM webhook_deliveries next
          WHERE next.state = 'pending' AND next.lane > lanes.lane ORDER BY next.lane LIMIT 1)
  FROM lanes WHERE lanes.lane IS NOT NULL
),
open_lanes AS (
  SELECT head.lane, head.next_attempt_at, endpoint.failing_since IS NOT NULL AS is_failing
  FROM lanes
  CROSS JOIN LATERAL (
    SELECT d.lane, d.endpoint_id, d.next_attempt_at FROM webhook_deliveries d
    WHERE d.state = 'pending' AND d.lane = lanes.lane ORDER BY d.next_attempt_at LIMIT 1
  ) head
  JOIN webhook_endpoints endpoint ON endpoint.id = head.endpoint_id
  WHERE head.next_attempt_at <= (SELECT clock_timestamp())
    AND COALESCE((CAST(:busy AS jsonb) ->> head.lane)::int, 0)
        < CASE WHEN endpoint.failing_since IS NULL THEN CAST(:per_lane AS int) ELSE 1 END
),
chosen_lanes AS (
  SELECT lane, is_failing, next_attempt_at FROM (
    SELECT *, row_number() OVER (PARTITION BY is_failing ORDER BY next_attempt_at) AS place FROM open_lanes
  ) ranked
  WHERE NOT is_failing OR place <= :failing
  ORDER BY is_failing, next_attempt_at LIMIT :total
),
candidates AS (
  SELECT due.id, row_number() OVER (PARTITION BY lane ORDER BY due.next_attempt_at) AS place, due.next_attempt_at
  FROM chosen_lanes
  CROSS JOIN LATERAL (
    SELECT d.id, d.next_attempt_at FROM webhook_deliveries d
    WHERE d.state = 'pending' AND d.lane = chosen_lanes.lane AND d.next_attempt_at <= (SELECT clock_timestamp())
    ORDER BY d.next_attempt_at
    LIMIT CASE WHEN chosen_lanes.is_failing THEN 1 ELSE CAST(:per_lane AS int) END
          - COALESCE((CAST(:busy AS jsonb) ->> chosen_lanes.lane)::int, 0)
    FOR UPDATE SKIP LOCKED
  ) due
),
claimed AS (
  SELECT id FROM candidates ORDER BY place, next_attempt_at LIMIT :total
)
UPDATE webhook_deliveries d
SET next_attempt_at = clock_timestamp() + make_interval(secs => :claim_seconds)
FROM claimed, webhook_endpoints endpoint
WHERE d.id = claimed.id AND endpoint.id = d.endpoint_id
RETURNING d.id, d.endpoint_id, d.job_id, d.lane, COALESCE(endpoint.url, d.callback_url) AS url, d.event, d.data,
  d.created_at, endpoint.secret, endpoint.failing_since IS NOT NULL AS is_failing,
  CASE WHEN endpoint.previous_secret_until > clock_timestamp() THEN endpoint.previous_secret END AS previous_secret
"""
)


class WebhookDeliveryStore(RepositoryBase):
    """Reads and writes of deliveries. `user_id` None means all users."""

    # ---- sending -----------------------------------------------------------------------------------------

    async def claim_deliveries(self, limits: ClaimLimits, claim_seconds: float) -> Sequence[ClaimedDelivery]:
        """Due deliveries that no process is sending. Another process may claim them after `claim_seconds`."""
        parameters = {
            "busy": json.dumps(dict(limits.busy_lanes)),
            "per_lane": limits.per_lane,
            "failing": limits.failing,
            "total": limits.total,
            "claim_seconds": claim_seconds,
        }
        async with self._transaction("claim_deliveries", FAULT_JOB) as session:
            rows = (await session.execute(_CLAIM, parameters)).mappings().all()
        return [_to_claimed(row) for row in rows]

    async def record_attempt(
        self, claimed: ClaimedDelivery, result: AttemptResult, policy: RetryPolicy
    ) -> DeliveryState | None:
        """Log a try and decide what follows. None if the delivery was deleted in the meantime."""
        async with self._transaction("record_attempt", claimed.fault_job) as session:
            # Always first the endpoint, then its deliveries: two processes must not wait for each other.
            endpoint = await _lock_endpoint_of(session, claimed, has_failed=result.error is not None)
            delivery = await session.get(WebhookDelivery, claimed.id, with_for_update=True)
            if delivery is None:
                return None
            session.add(
                WebhookAttempt(
                    delivery_id=delivery.id,
                    status=result.status,
                    error=result.error,
                    response=result.response,
                    duration_ms=result.duration_ms,
                )
            )
            if result.error is None:
                delivery.state = DeliveryState.DELIVERED
            elif delivery.state == DeliveryState.PENDING:
                await _schedule_retry(session, delivery, result, policy)
                if endpoint is not None:
                    await _note_failure(session, endpoint, delivery, result, policy)
            return delivery.state

    # ---- lists and replays -------------------------------------------------------------------------------

    async def list_webhook_deliveries(
        self,
        user_id: str | None,
        *,
        endpoint_id: uuid.UUID | None = None,
        job_id: str | None = None,
        state: DeliveryState | None = None,
        limit: int,
        after: DeliveryCursor | None = None,
    ) -> Sequence[WebhookDelivery]:
        """Newest first, those that follow `after`."""
        query = select(WebhookDelivery)
        filters = {
            WebhookDelivery.user_id: user_id,
            WebhookDelivery.endpoint_id: endpoint_id,
            WebhookDelivery.job_id: job_id,
            WebhookDelivery.state: state,
        }
        query = query.where(*(column == value for column, value in filters.items() if value is not None))
        if after is not None:
            position = tuple_(WebhookDelivery.created_at, WebhookDelivery.id)
            query = query.where(position < (after.created_at, after.delivery_id))
        query = query.order_by(WebhookDelivery.created_at.desc(), WebhookDelivery.id.desc()).limit(limit)
        async with self._read_session() as session:
            return (await session.scalars(query)).all()

    async def get_webhook_delivery(
        self, user_id: str | None, delivery_id: str
    ) -> tuple[WebhookDelivery, Sequence[WebhookAttempt]]:
        """A delivery and its tries, oldest first. Raises UnknownDelivery."""
        tries = select(WebhookAttempt).where(WebhookAttempt.delivery_id == delivery_id).order_by(WebhookAttempt.id)
        async with self._read_session() as session:
            delivery = await session.scalar(select(WebhookDelivery).where(*_owned(user_id, delivery_id)))
            if delivery is None:
                raise UnknownDelivery("there is no such delivery")
            return delivery, (await session.scalars(tries)).all()

    async def replay_webhook_delivery(self, user_id: str | None, delivery_id: str) -> WebhookDelivery:
        """Send a delivery again now, with all its tries. Raises UnknownDelivery or EndpointDisabled."""
        async with self._untracked_transaction() as session:
            found = await session.scalar(select(WebhookDelivery).where(*_owned(user_id, delivery_id)))
            if found is None:
                raise UnknownDelivery("there is no such delivery")
            require_enabled(await session.get_one(WebhookEndpoint, found.endpoint_id))
            await session.execute(_replay(WebhookDelivery.id == delivery_id))
            await notify(session, OUTBOX_TOPIC)
            await session.refresh(found)
            return found

    async def replay_failed_deliveries(self, endpoint: WebhookEndpoint, since: datetime) -> int:
        """Send all failed deliveries of an endpoint again whose events happened since; returns their number."""
        require_enabled(endpoint)
        failed = (
            (WebhookDelivery.endpoint_id == endpoint.id)
            & (WebhookDelivery.state == DeliveryState.FAILED)
            & (WebhookDelivery.created_at >= since)
        )
        async with self._untracked_transaction() as session:
            replayed = await session.scalars(_replay(failed).returning(WebhookDelivery.id))
            count = len(replayed.all())
            if count:
                await notify(session, OUTBOX_TOPIC)
            return count

    # ---- maintenance -------------------------------------------------------------------------------------

    async def delete_old_deliveries(self, older_than: timedelta) -> int:
        """Delete deliveries and their tries, a batch at a time; pending ones stay. Returns how many were deleted."""
        old = (
            select(WebhookDelivery.id)
            .where(WebhookDelivery.created_at < NOW - older_than, WebhookDelivery.state != DeliveryState.PENDING)
            .limit(_DELETE_BATCH)
        )
        async with self._untracked_transaction() as session:
            statement = delete(WebhookDelivery).where(WebhookDelivery.id.in_(old)).returning(WebhookDelivery.id)
            return len((await session.scalars(statement)).all())

    async def pending_deliveries(self) -> PendingDeliveries:
        """Statistics for monitoring."""
        ages = (
            func.extract("epoch", NOW - func.min(column))
            for column in (WebhookDelivery.created_at, WebhookDelivery.next_attempt_at)
        )
        query = select(func.count(), *ages).where(WebhookDelivery.state == DeliveryState.PENDING)
        async with self._read_session() as session:
            count, oldest, overdue = (await session.execute(query)).one()
        return PendingDeliveries(count, float(oldest or 0), max(0.0, float(overdue or 0)))


def _to_claimed(row: Mapping[Any, Any]) -> ClaimedDelivery:
    secrets = tuple(secret for secret in (row["secret"], row["previous_secret"]) if secret is not None)
    names = ("id", "endpoint_id", "job_id", "lane", "url", "event", "data", "created_at", "is_failing")
    return ClaimedDelivery(**{name: row[name] for name in names}, secrets=secrets)


async def _lock_endpoint_of(
    session: AsyncSession, claimed: ClaimedDelivery, *, has_failed: bool
) -> WebhookEndpoint | None:
    """After a failure the endpoint, locked. A success only ends its failures, which needs no lock as a rule."""
    if has_failed:
        return await session.get(WebhookEndpoint, claimed.endpoint_id, with_for_update={"key_share": True})
    await session.execute(
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id == claimed.endpoint_id, WebhookEndpoint.failing_since.is_not(None))
        .values(failing_since=None)
    )
    return None


async def _schedule_retry(
    session: AsyncSession, delivery: WebhookDelivery, result: AttemptResult, policy: RetryPolicy
) -> None:
    delivery.attempts += 1
    if result.status == _GONE or delivery.attempts > len(policy.delays):
        delivery.state = DeliveryState.FAILED
    else:
        next_attempt = select(NOW + policy.delays[delivery.attempts - 1])
        delivery.next_attempt_at = (await session.execute(next_attempt)).scalar_one()


async def _note_failure(
    session: AsyncSession,
    endpoint: WebhookEndpoint,
    delivery: WebhookDelivery,
    result: AttemptResult,
    policy: RetryPolicy,
) -> None:
    """Disable an endpoint that is gone or fails for days. That of callbacks has many receivers and stays enabled."""
    now: datetime = (await session.execute(select(NOW))).scalar_one()
    endpoint.failing_since = endpoint.failing_since or now
    if endpoint.url is None or endpoint.disabled_at is not None:
        return
    if result.status == _GONE:
        await disable_endpoint(session, endpoint, "It answered 410 (Gone): it wants no more messages.")
    elif now - endpoint.failing_since > policy.disable_after and delivery.attempts >= _MIN_ATTEMPTS_TO_DISABLE:
        days = policy.disable_after / timedelta(days=1)
        await disable_endpoint(session, endpoint, f"It failed for {days:g} days. The last try: {result.error}")


def _replay(condition: ColumnElement[bool]) -> Any:
    """As if it were new; its id stays, so that the receiver can tell."""
    return (
        update(WebhookDelivery)
        .where(condition)
        .values(state=DeliveryState.PENDING, attempts=0, next_attempt_at=NOW)
        .execution_options(synchronize_session=False)
    )


def _owned(user_id: str | None, delivery_id: str) -> list[ColumnElement[bool]]:
    conditions = [WebhookDelivery.id == delivery_id]
    return conditions if user_id is None else [*conditions, WebhookDelivery.user_id == user_id]
