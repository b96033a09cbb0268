"""A user's webhook endpoints: create, change, rotate secrets, test, delete."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from videojobs.db.models import Json
from videojobs.db.repository_base import NOW, RepositoryBase
from videojobs.db.webhook_models import DeliveryState, WebhookDelivery, WebhookEndpoint
from videojobs.db.webhook_outbox import ensure_callback_endpoint, insert_deliveries
from videojobs.errors import VideoJobError
from videojobs.webhooks.events import TEST_EVENT
from videojobs.webhooks.signing import new_secret

DISABLED_BY_OWNER = "You disabled it."


class UnknownEndpoint(VideoJobError):
    """No endpoint of this user has this id."""

    code = "webhook_endpoint_not_found"


class TooManyEndpoints(VideoJobError):
    """The user has as many endpoints as allowed."""

    code = "too_many_webhook_endpoints"


class EndpointDisabled(VideoJobError):
    """Nothing is sent to a disabled endpoint."""

    code = "webhook_endpoint_disabled"


@dataclass(frozen=True, slots=True)
class EndpointChanges:
    """New values; None leaves the old one."""

    url: str | None = None
    description: str | None = None
    events: Sequence[str] | None = None
    enabled: bool | None = None


class WebhookEndpointStore(RepositoryBase):
    """`user_id` None means all users. Raises UnknownEndpoint, for another user's endpoint as for a missing one."""

    async def create_webhook_endpoint(
        self, user_id: str, url: str, events: Sequence[str], description: str, *, limit: int
    ) -> WebhookEndpoint:
        """A new endpoint with its secret. Raises TooManyEndpoints above `limit` of them."""
        async with self._untracked_transaction() as session:
            # Two requests at once must not both see one endpoint less than the limit.
            await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"webhooks {user_id}", 0))))
            count = select(func.count()).where(WebhookEndpoint.user_id == user_id, WebhookEndpoint.url.is_not(None))
            if (await session.scalar(count) or 0) >= limit:
                raise TooManyEndpoints(f"you have {limit} endpoints already; delete one that you do not need any more")
            endpoint = WebhookEndpoint(user_id=user_id, url=url, events=list(events), description=description)
            session.add(endpoint)
            await session.flush()
            await session.refresh(endpoint)
            return endpoint

    async def list_webhook_endpoints(self, user_id: str) -> Sequence[WebhookEndpoint]:
        """The user's endpoints, oldest first, without the one that stands for callbacks."""
        query = select(WebhookEndpoint).where(WebhookEndpoint.user_id == user_id, WebhookEndpoint.url.is_not(None))
        async with self._read_session() as session:
            return (await session.scalars(query.order_by(WebhookEndpoint.created_at, WebhookEndpoint.id))).all()

    async def get_webhook_endpoint(self, user_id: str | None, endpoint_id: uuid.UUID) -> WebhookEndpoint:
        """One endpoint with a URL."""
        async with self._read_session() as session:
            return _require(await session.scalar(select(WebhookEndpoint).where(_owned(user_id, endpoint_id))))

    async def update_webhook_endpoint(
        self, user_id: str | None, endpoint_id: uuid.UUID, changes: EndpointChanges
    ) -> WebhookEndpoint:
        """Change an endpoint. Enabling it forgets its failures; disabling it ends its pending deliveries."""
        async with self._untracked_transaction() as session:
            endpoint = await _lock_endpoint(session, user_id, endpoint_id)
            endpoint.url = changes.url or endpoint.url
            endpoint.description = endpoint.description if changes.description is None else changes.description
            endpoint.events = endpoint.events if changes.events is None else list(changes.events)
            if changes.enabled is False and endpoint.disabled_at is None:
                await disable_endpoint(session, endpoint, DISABLED_BY_OWNER)
            elif changes.enabled is True:
                endpoint.disabled_at = endpoint.disabled_reason = endpoint.failing_since = None
            return endpoint

    async def delete_webhook_endpoint(self, user_id: str | None, endpoint_id: uuid.UUID) -> None:
        """Delete an endpoint with its deliveries, pending ones included."""
        async with self._untracked_transaction() as session:
            deleted = delete(WebhookEndpoint).where(_owned(user_id, endpoint_id)).returning(WebhookEndpoint.id)
            if await session.scalar(deleted) is None:
                raise UnknownEndpoint("there is no such endpoint")

    async def rotate_webhook_secret(
        self, user_id: str | None, endpoint_id: uuid.UUID, overlap: timedelta
    ) -> WebhookEndpoint:
        """Replace the secret. The old one stays live for `overlap`; one that was replaced before is dead at once."""
        async with self._untracked_transaction() as session:
            return await _rotate(session, await _lock_endpoint(session, user_id, endpoint_id), overlap)

    async def rotate_callback_secret(self, user_id: str, overlap: timedelta) -> WebhookEndpoint:
        """As `rotate_webhook_secret`, of the callbacks of a user's jobs. The first call gives the first secret."""
        async with self._untracked_transaction() as session:
            await ensure_callback_endpoint(session, user_id)
            query = select(WebhookEndpoint).where(WebhookEndpoint.user_id == user_id, WebhookEndpoint.url.is_(None))
            endpoint = (await session.scalars(query.with_for_update(key_share=True))).one()
            return await _rotate(session, endpoint, overlap)

    async def send_test_webhook(self, user_id: str | None, endpoint_id: uuid.UUID, data: Json) -> str:
        """Queue a test for one endpoint; returns the id of the delivery. Raises EndpointDisabled."""
        async with self._untracked_transaction() as session:
            endpoint = await _lock_endpoint(session, user_id, endpoint_id)
            require_enabled(endpoint)
            [delivery_id] = await insert_deliveries(
                session, WebhookEndpoint.id == endpoint.id, TEST_EVENT, data, job_id=None
            )
            return delivery_id


def require_enabled(endpoint: WebhookEndpoint) -> None:
    """Raises EndpointDisabled."""
    if endpoint.disabled_at is not None:
        raise EndpointDisabled("This endpoint is disabled. Enable it first.")


async def disable_endpoint(session: AsyncSession, endpoint: WebhookEndpoint, reason: str) -> None:
    """Stop sending: pending deliveries fail, and can be replayed. The caller has locked the endpoint."""
    endpoint.disabled_at = await session.scalar(select(NOW))
    endpoint.disabled_reason = reason
    await session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.endpoint_id == endpoint.id, WebhookDelivery.state == DeliveryState.PENDING)
        .values(state=DeliveryState.FAILED)
    )


async def _lock_endpoint(session: AsyncSession, user_id: str | None, endpoint_id: uuid.UUID) -> WebhookEndpoint:
    query = select(WebhookEndpoint).where(_owned(user_id, endpoint_id)).with_for_update(key_share=True)
    return _require(await session.scalar(query))


async def _rotate(session: AsyncSession, endpoint: WebhookEndpoint, overlap: timedelta) -> WebhookEndpoint:
    endpoint.previous_secret, endpoint.secret = endpoint.secret, new_secret()
    endpoint.previous_secret_until = await session.scalar(select(NOW + overlap))
    return endpoint


def _owned(user_id: str | None, endpoint_id: uuid.UUID) -> ColumnElement[bool]:
    conditions = [WebhookEndpoint.id == endpoint_id, WebhookEndpoint.url.is_not(None)]
    return and_(*conditions, *([] if user_id is None else [WebhookEndpoint.user_id == user_id]))


def _require(endpoint: WebhookEndpoint | None) -> WebhookEndpoint:
    if endpoint is None:
        raise UnknownEndpoint("there is no such endpoint")
    return endpoint
