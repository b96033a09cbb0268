"""`/webhooks`: a user's endpoints, their secrets, and the log of deliveries."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from deployments.api.auth import Principal, Reader, Submitter
from deployments.api.dependencies import AppState, AppStateDep
from deployments.api.errors import ApiError
from deployments.api.pages.form_body import first_value, read_form_fields
from deployments.api.pages.job_card import CurrentUser
from deployments.api.pages.page_route import SEE_OTHER, PageRoute
from deployments.api.pages.templating import render_page
from deployments.api.schemas.webhooks import WebhookEndpointCreate
from deployments.api.views.webhook_view import to_delivery_details, to_delivery_info, to_endpoint_info
from deployments.api.webhooks import management
from deployments.api.webhooks.management import DeliveryFilter
from videojobs.db.webhook_endpoints import EndpointChanges
from videojobs.db.webhook_models import DeliveryState
from videojobs.webhooks.events import DEFAULT_EVENTS, WebhookEvent
from videojobs.webhooks.settings import WebhookSettings

PAGE_SIZE: Final = 25
_EVENT_LABELS: Final = {
    WebhookEvent.STARTED: "A run begins, or the job continues",
    WebhookEvent.PROGRESS: "Every change of the progress",
    WebhookEvent.PARKED: "The job needs an operator",
    WebhookEvent.COMPLETED: "The result is stored",
    WebhookEvent.FAILED: "The job has failed",
    WebhookEvent.CANCELLED: "The job was cancelled",
    WebhookEvent.DELETED: "The job and its files were deleted",
}
_STATE_LABELS: Final = {
    DeliveryState.PENDING: "Waiting",
    DeliveryState.DELIVERED: "Delivered",
    DeliveryState.FAILED: "Failed",
}
_STATE_TONES: Final = {
    DeliveryState.PENDING: "processing",
    DeliveryState.DELIVERED: "completed",
    DeliveryState.FAILED: "failed",
}

router = APIRouter(prefix="/webhooks", route_class=PageRoute, include_in_schema=False)


# ---- endpoints -----------------------------------------------------------------------------------------------


@router.get("")
async def show_endpoints(request: Request, principal: Reader, state: AppStateDep) -> Response:
    return await _render_list(request, principal, state)


@router.post("")
async def create_endpoint(request: Request, principal: Submitter, state: AppStateDep) -> Response:
    """Show the new endpoint with its secret, or the form again with its problems."""
    fields = await read_form_fields(request)
    entered = {
        "url": first_value(fields, "url"),
        "description": first_value(fields, "description"),
        "events": fields.get("events", []),
    }
    try:
        wanted = WebhookEndpointCreate.model_validate(entered)
        endpoint = await management.create_endpoint(state, principal, wanted.url, wanted.events, wanted.description)
    except ValidationError as error:
        problems = [f"{item['loc'][0]}: {item['msg']}" for item in error.errors(include_url=False)]
        return await _render_list(request, principal, state, problems=problems, entered=entered)
    except ApiError as error:
        problems = [str(problem) for problem in error.problems] or [str(error.detail)]
        return await _render_list(request, principal, state, problems=problems, entered=entered)
    return await _render_endpoint(request, principal, state, str(endpoint.id), secret=endpoint.secret)


@router.post("/callback-secret")
async def create_callback_secret(request: Request, principal: Submitter, state: AppStateDep) -> Response:
    """Show the new secret, once."""
    endpoint = await management.rotate_callback_secret(state, principal)
    return await _render_list(request, principal, state, callback_secret=endpoint.secret)


@router.get("/{endpoint_id}")
async def show_endpoint(endpoint_id: str, request: Request, principal: Reader, state: AppStateDep) -> Response:
    return await _render_endpoint(request, principal, state, endpoint_id)


@router.post("/{endpoint_id}/rotate-secret")
async def rotate_secret(endpoint_id: str, request: Request, principal: Submitter, state: AppStateDep) -> Response:
    """Show the new secret, once."""
    endpoint = await management.rotate_secret(state, principal, endpoint_id)
    return await _render_endpoint(request, principal, state, endpoint_id, secret=endpoint.secret)


@router.post("/{endpoint_id}/enable")
async def enable(endpoint_id: str, principal: Submitter, state: AppStateDep) -> Response:
    await management.update_endpoint(state, principal, endpoint_id, EndpointChanges(enabled=True))
    return _redirect_to(endpoint_id)


@router.post("/{endpoint_id}/disable")
async def disable(endpoint_id: str, principal: Submitter, state: AppStateDep) -> Response:
    await management.update_endpoint(state, principal, endpoint_id, EndpointChanges(enabled=False))
    return _redirect_to(endpoint_id)


@router.post("/{endpoint_id}/delete")
async def delete(endpoint_id: str, principal: Submitter, state: AppStateDep) -> Response:
    await management.delete_endpoint(state, principal, endpoint_id)
    return RedirectResponse("/webhooks", SEE_OTHER)


@router.post("/{endpoint_id}/test")
async def send_test(endpoint_id: str, principal: Submitter, state: AppStateDep) -> Response:
    return _redirect_to_delivery(await management.send_test(state, principal, endpoint_id))


@router.post("/{endpoint_id}/replay-failed")
async def replay_failed(endpoint_id: str, principal: Submitter, state: AppStateDep) -> Response:
    """All that is kept; the API can name a time."""
    since = datetime.now(UTC) - timedelta(days=WebhookSettings.current().retention_days)
    await management.replay_failed(state, principal, endpoint_id, since)
    return _redirect_to(endpoint_id)


# ---- deliveries ----------------------------------------------------------------------------------------------


@router.get("/deliveries/{delivery_id}")
async def show_delivery(delivery_id: str, request: Request, principal: Reader, state: AppStateDep) -> Response:
    delivery = to_delivery_details(*await management.get_delivery(state, principal, delivery_id))
    return render_page(
        request,
        "webhook_delivery.html",
        current_user=CurrentUser.from_principal(principal),
        active_page="webhooks",
        delivery=delivery,
        label=_STATE_LABELS[delivery.state],
        tone=_STATE_TONES[delivery.state],
        message=json.dumps(delivery.message, indent=2, ensure_ascii=False),
    )


@router.post("/deliveries/{delivery_id}/replay")
async def replay(delivery_id: str, principal: Submitter, state: AppStateDep) -> Response:
    await management.replay(state, principal, delivery_id)
    return _redirect_to_delivery(delivery_id)


# ---- rendering -----------------------------------------------------------------------------------------------


async def _render_list(
    request: Request,
    principal: Principal,
    state: AppState,
    *,
    problems: list[str] | None = None,
    entered: Mapping[str, object] | None = None,
    callback_secret: str | None = None,
) -> Response:
    endpoints = await management.list_endpoints(state, principal)
    return render_page(
        request,
        "webhooks.html",
        422 if problems else 200,
        current_user=CurrentUser.from_principal(principal),
        active_page="webhooks",
        endpoints=[to_endpoint_info(endpoint) for endpoint in endpoints],
        events=_EVENT_LABELS,
        entered=entered or {"url": "", "description": "", "events": list(DEFAULT_EVENTS)},
        problems=problems or [],
        callback_secret=callback_secret,
        overlap_hours=WebhookSettings.current().secret_overlap_hours,
    )


async def _render_endpoint(
    request: Request, principal: Principal, state: AppState, endpoint_id: str, *, secret: str | None = None
) -> Response:
    endpoint = await management.get_endpoint(state, principal, endpoint_id)
    cursor = request.query_params.get("cursor")
    chosen = DeliveryFilter(endpoint_id=endpoint.id)
    found = await management.list_deliveries(state, principal, chosen, limit=PAGE_SIZE, cursor=cursor)
    return render_page(
        request,
        "webhook_endpoint.html",
        current_user=CurrentUser.from_principal(principal),
        active_page="webhooks",
        endpoint=to_endpoint_info(endpoint),
        secret=secret,
        deliveries=[to_delivery_info(delivery) for delivery in found.deliveries],
        labels=_STATE_LABELS,
        tones=_STATE_TONES,
        next_cursor=found.next_cursor,
        overlap_hours=WebhookSettings.current().secret_overlap_hours,
    )


def _redirect_to(endpoint_id: str) -> Response:
    return RedirectResponse(f"/webhooks/{quote(endpoint_id, safe='')}", SEE_OTHER)


def _redirect_to_delivery(delivery_id: str) -> Response:
    return RedirectResponse(f"/webhooks/deliveries/{quote(delivery_id, safe='')}", SEE_OTHER)
