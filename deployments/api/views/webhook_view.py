"""Endpoints and deliveries as the API shows them. Never a secret: answers that create one add it."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any

from deployments.api.schemas.webhooks import (
    WebhookDeliveryDetails,
    WebhookDeliveryInfo,
    WebhookEndpointInfo,
    WebhookTry,
)
from videojobs.db.webhook_models import DeliveryState, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from videojobs.webhooks.events import WebhookEvent, to_body


def endpoint_fields(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """The fields of `WebhookEndpointInfo`."""
    return {
        "id": endpoint.id,
        "user_id": endpoint.user_id,
        "url": endpoint.url,
        "description": endpoint.description,
        "events": [WebhookEvent(event) for event in endpoint.events],
        "enabled": endpoint.disabled_at is None,
        "disabled_reason": endpoint.disabled_reason,
        "disabled_at": endpoint.disabled_at,
        "failing_since": endpoint.failing_since,
        "previous_secret_until": endpoint.previous_secret_until,
        "created_at": endpoint.created_at,
    }


def to_endpoint_info(endpoint: WebhookEndpoint) -> WebhookEndpointInfo:
    return WebhookEndpointInfo(**endpoint_fields(endpoint))


def _delivery_fields(delivery: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "endpoint_id": delivery.endpoint_id if delivery.callback_url is None else None,
        "callback_url": delivery.callback_url,
        "job_id": delivery.job_id,
        "event": delivery.event,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "next_attempt_at": delivery.next_attempt_at if delivery.state is DeliveryState.PENDING else None,
        "created_at": delivery.created_at,
    }


def to_delivery_info(delivery: WebhookDelivery) -> WebhookDeliveryInfo:
    return WebhookDeliveryInfo(**_delivery_fields(delivery))


def to_delivery_details(delivery: WebhookDelivery, tries: Sequence[WebhookAttempt]) -> WebhookDeliveryDetails:
    return WebhookDeliveryDetails(
        **_delivery_fields(delivery),
        message=to_body(delivery.event, delivery.created_at.astimezone(UTC).isoformat(), delivery.data),
        tries=[
            WebhookTry(
                at=item.at,
                status=item.status,
                error=item.error,
                response=item.response,
                duration_ms=item.duration_ms,
            )
            for item in tries
        ],
    )
