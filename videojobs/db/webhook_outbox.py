"""The outbox: writes what clients are told in the transaction of the event itself.

So a message exists exactly if its event was committed, whatever is killed. The API process sends it afterwards
(`videojobs.db.webhook_deliveries`).
"""

from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, Text, and_, case, cast, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession

from videojobs.db.models import Json, VideoJob
from videojobs.db.notifications import notify
from videojobs.db.webhook_models import DeliveryState, WebhookDelivery, WebhookEndpoint
from videojobs.webhooks.events import DEFAULT_EVENTS, WebhookEvent
from videojobs.webhooks.signing import new_secret

OUTBOX_TOPIC: Final = ":webhooks"
"""Notifies processes that send webhooks. It cannot be a job's id."""


async def enqueue_webhooks(
    session: AsyncSession, job: VideoJob, event: WebhookEvent, *, callback_url: str | None = None
) -> None:
    """Add a delivery for each endpoint of the job's user that wants this event, and for the job's callback.

    `callback_url` replaces that of the job's request, for a request that was rejected and is not stored.
    """
    callback_url = callback_url or job.request.get("callback_url")
    if callback_url is not None:
        await ensure_callback_endpoint(session, job.user_id)
    wanted = and_(WebhookEndpoint.user_id == job.user_id, WebhookEndpoint.events.any(literal(event.value)))
    has_url = or_(WebhookEndpoint.url.is_not(None), literal(callback_url is not None))
    await insert_deliveries(
        session, and_(wanted, has_url), event, _job_snapshot(job), job_id=job.id, callback_url=callback_url
    )


async def ensure_callback_endpoint(session: AsyncSession, user_id: str) -> None:
    """Create the endpoint that stands for a user's callbacks, with a secret; an existing one stays as it is."""
    row = {"user_id": user_id, "url": None, "events": list(DEFAULT_EVENTS), "secret": new_secret()}
    await session.execute(insert(WebhookEndpoint).values(row).on_conflict_do_nothing())


async def insert_deliveries(
    session: AsyncSession,
    endpoints: ColumnElement[bool],
    event: str,
    data: Json,
    *,
    job_id: str | None,
    callback_url: str | None = None,
) -> list[str]:
    """One delivery for each endpoint that fulfils the condition; returns their ids.

    A disabled endpoint gets one that has failed already, so that its owner can replay what it missed.
    """
    is_callback = WebhookEndpoint.url.is_(None)
    endpoint_text = cast(WebhookEndpoint.id, Text)
    host = urlsplit(callback_url or "").netloc
    columns = {
        "endpoint_id": WebhookEndpoint.id,
        "user_id": WebhookEndpoint.user_id,
        "lane": case((is_callback, endpoint_text + literal(f" {host}")), else_=endpoint_text),
        "callback_url": case((is_callback, literal(callback_url, Text)), else_=None),
        "job_id": literal(job_id, Text),
        "event": literal(event),
        "data": literal(data, JSONB),
        "state": case(
            (WebhookEndpoint.disabled_at.is_(None), DeliveryState.PENDING.value), else_=DeliveryState.FAILED.value
        ),
    }
    rows = select(*columns.values()).where(endpoints)
    statement = insert(WebhookDelivery).from_select(list(columns), rows).returning(WebhookDelivery.id)
    ids = list(await session.scalars(statement))
    if ids:
        await notify(session, OUTBOX_TOPIC)
    return ids


def _job_snapshot(job: VideoJob) -> Json:
    """The job as it is at this event, under the names of the API's answers."""
    return {
        "job_id": job.id,
        "kind": job.kind,
        "user_id": job.user_id,
        "display_name": job.display_name,
        "passthrough": None,
        "status": job.status,
        "progress": job.progress_percentage,
        "message": job.progress_message,
        "error": job.error_message,
        "error_code": job.error_code,
        "parked_reason": job.parked_reason,
        "created_at": job.created_at.isoformat(),
        "completed_at": job.completed_at.isoformat() if job.completed_at else None,
    }
