"""A user's webhook endpoints and their deliveries."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request

from deployments.api.auth import Reader, Submitter
from deployments.api.dependencies import AppStateDep
from deployments.api.errors import error_responses
from deployments.api.request_body import openapi_json_body, read_json_as
from deployments.api.schemas.webhooks import (
    WebhookDeliveryDetails,
    WebhookDeliveryInfo,
    WebhookDeliveryPage,
    WebhookEndpointCreate,
    WebhookEndpointCreated,
    WebhookEndpointInfo,
    WebhookEndpoints,
    WebhookEndpointUpdate,
    WebhookReplaySince,
    WebhookSecret,
    WebhooksReplayed,
    WebhookTest,
)
from deployments.api.views.webhook_view import endpoint_fields, to_delivery_details, to_delivery_info, to_endpoint_info
from deployments.api.webhooks import management
from deployments.api.webhooks.management import DeliveryFilter
from videojobs.db.webhook_endpoints import EndpointChanges
from videojobs.db.webhook_models import DeliveryState
from videojobs.requests.models import ID_PATTERN

router = APIRouter(tags=["webhooks"])

EndpointId = Annotated[
    str, Path(description="As the list shows it.", examples=["7d0c5f0e-2c1b-4f5e-9a53-0a6f4f7f3c11"])
]
DeliveryId = Annotated[
    str, Path(description="`webhook-id` of the message.", examples=["msg_7d0c5f0e2c1b4f5e9a530a6f4f7f3c11"])
]

_READ_ERRORS: Final = error_responses(401, 403, 404, 429, 503)
_BODY_ERRORS: Final = error_responses(400, 401, 403, 404, 408, 413, 415, 422, 429, 503)
_CREATE_ERRORS: Final = error_responses(400, 401, 403, 408, 409, 413, 415, 422, 429, 503)
_ACTION_ERRORS: Final = error_responses(401, 403, 404, 409, 429, 503)
_EXAMPLE: Final[dict[str, Any]] = {"url": "https://example.com/webhooks", "events": ["job.completed", "job.failed"]}


# ---- endpoints -----------------------------------------------------------------------------------------------


@router.get("/webhook-endpoints", responses=error_responses(401, 403, 429, 503), summary="List webhook endpoints")
async def list_webhook_endpoints(principal: Reader, state: AppStateDep) -> WebhookEndpoints:
    """One's own, oldest first."""
    return WebhookEndpoints(
        endpoints=[to_endpoint_info(endpoint) for endpoint in await management.list_endpoints(state, principal)]
    )


@router.post(
    "/webhook-endpoints",
    status_code=201,
    responses=_CREATE_ERRORS,
    openapi_extra=openapi_json_body(WebhookEndpointCreate, _EXAMPLE),
    summary="Create a webhook endpoint",
)
async def create_webhook_endpoint(request: Request, principal: Submitter, state: AppStateDep) -> WebhookEndpointCreated:
    """The answer holds the secret that its messages are signed with. It is not shown again."""
    body = await read_json_as(request, WebhookEndpointCreate)
    endpoint = await management.create_endpoint(state, principal, body.url, body.events, body.description)
    return WebhookEndpointCreated(**endpoint_fields(endpoint), secret=endpoint.secret)


@router.get("/webhook-endpoints/{endpoint_id}", responses=_READ_ERRORS, summary="Show a webhook endpoint")
async def get_webhook_endpoint(endpoint_id: EndpointId, principal: Reader, state: AppStateDep) -> WebhookEndpointInfo:
    """Whether it is enabled, and since when it fails."""
    return to_endpoint_info(await management.get_endpoint(state, principal, endpoint_id))


@router.patch(
    "/webhook-endpoints/{endpoint_id}",
    responses=_BODY_ERRORS,
    openapi_extra=openapi_json_body(WebhookEndpointUpdate, {"enabled": True}),
    summary="Change a webhook endpoint",
)
async def update_webhook_endpoint(
    endpoint_id: EndpointId, request: Request, principal: Submitter, state: AppStateDep
) -> WebhookEndpointInfo:
    """Change its address or events, disable it, or enable it again."""
    body = await read_json_as(request, WebhookEndpointUpdate)
    changes = EndpointChanges(body.url, body.description, body.events, body.enabled)
    return to_endpoint_info(await management.update_endpoint(state, principal, endpoint_id, changes))


@router.delete(
    "/webhook-endpoints/{endpoint_id}", status_code=204, responses=_READ_ERRORS, summary="Delete a webhook endpoint"
)
async def delete_webhook_endpoint(endpoint_id: EndpointId, principal: Submitter, state: AppStateDep) -> None:
    """With its deliveries, those that were not sent yet included."""
    await management.delete_endpoint(state, principal, endpoint_id)


@router.post(
    "/webhook-endpoints/{endpoint_id}/rotate-secret", responses=_READ_ERRORS, summary="Replace a webhook secret"
)
async def rotate_webhook_secret(endpoint_id: EndpointId, principal: Submitter, state: AppStateDep) -> WebhookSecret:
    """For some time messages are signed with both secrets. A secret that was replaced before ends at once."""
    endpoint = await management.rotate_secret(state, principal, endpoint_id)
    return WebhookSecret(secret=endpoint.secret, previous_secret_until=endpoint.previous_secret_until)


@router.post(
    "/webhook-endpoints/{endpoint_id}/test", status_code=202, responses=_ACTION_ERRORS, summary="Send a test webhook"
)
async def send_test_webhook(endpoint_id: EndpointId, principal: Submitter, state: AppStateDep) -> WebhookTest:
    """An event `webhook.test`, signed and logged as any other."""
    return WebhookTest(delivery_id=await management.send_test(state, principal, endpoint_id))


@router.post(
    "/webhook-endpoints/{endpoint_id}/replay-failed",
    status_code=202,
    responses={**_BODY_ERRORS, **_ACTION_ERRORS},
    openapi_extra=openapi_json_body(WebhookReplaySince, {"since": "2026-01-31T09:30:00Z"}),
    summary="Send failed webhooks again",
)
async def replay_failed_webhooks(
    endpoint_id: EndpointId, request: Request, principal: Submitter, state: AppStateDep
) -> WebhooksReplayed:
    """All failed deliveries since a time, those that it missed while it was disabled included."""
    body = await read_json_as(request, WebhookReplaySince)
    return WebhooksReplayed(replayed=await management.replay_failed(state, principal, endpoint_id, body.since))


@router.post(
    "/webhook-callback-secret", responses=error_responses(401, 403, 429, 503), summary="Create a new callback secret"
)
async def rotate_callback_secret(principal: Submitter, state: AppStateDep) -> WebhookSecret:
    """Messages to the `callback_url` of one's jobs are signed with it. Otherwise as `rotate-secret`."""
    endpoint = await management.rotate_callback_secret(state, principal)
    return WebhookSecret(secret=endpoint.secret, previous_secret_until=endpoint.previous_secret_until)


# ---- deliveries ----------------------------------------------------------------------------------------------


@router.get(
    "/webhook-deliveries", responses=error_responses(401, 403, 422, 429, 503), summary="List webhook deliveries"
)
async def list_webhook_deliveries(
    principal: Reader,
    state: AppStateDep,
    endpoint_id: Annotated[UUID | None, Query(description="Only those of this endpoint.")] = None,
    job_id: Annotated[str | None, Query(description="Only those about this job.", pattern=ID_PATTERN)] = None,
    delivery_state: Annotated[
        DeliveryState | None, Query(alias="state", description="Only deliveries in this state.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Maximum number of deliveries.")] = 50,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the previous page.", max_length=500)] = None,
) -> WebhookDeliveryPage:
    """Newest first. Admins see the deliveries of all users."""
    chosen = DeliveryFilter(endpoint_id, job_id, delivery_state)
    found = await management.list_deliveries(state, principal, chosen, limit=limit, cursor=cursor)
    return WebhookDeliveryPage(
        deliveries=[to_delivery_info(delivery) for delivery in found.deliveries], next_cursor=found.next_cursor
    )


@router.get("/webhook-deliveries/{delivery_id}", responses=_READ_ERRORS, summary="Show a webhook delivery")
async def get_webhook_delivery(
    delivery_id: DeliveryId, principal: Reader, state: AppStateDep
) -> WebhookDeliveryDetails:
    """With its message and all tries."""
    return to_delivery_details(*await management.get_delivery(state, principal, delivery_id))


@router.post(
    "/webhook-deliveries/{delivery_id}/replay",
    status_code=202,
    responses=_ACTION_ERRORS,
    summary="Send a webhook again",
)
async def replay_webhook_delivery(
    delivery_id: DeliveryId, principal: Submitter, state: AppStateDep
) -> WebhookDeliveryInfo:
    """At once, and with all tries, whether it was delivered or not. Its id stays the same."""
    return to_delivery_info(await management.replay(state, principal, delivery_id))
