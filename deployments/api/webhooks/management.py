"""What endpoints and pages do with webhooks. All raise ApiError for what the caller can correct."""

import re
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from deployments.api.auth import Principal
from deployments.api.dependencies import AppState
from deployments.api.errors import ApiError, validation_error
from deployments.api.pagination import decode_cursor, encode_cursor
from videojobs.db import JobRepository
from videojobs.db.webhook_deliveries import DeliveryCursor, UnknownDelivery
from videojobs.db.webhook_endpoints import EndpointChanges, EndpointDisabled, TooManyEndpoints, UnknownEndpoint
from videojobs.db.webhook_models import DeliveryState, WebhookAttempt, WebhookDelivery, WebhookEndpoint
from videojobs.errors import FieldError, ProblemCode
from videojobs.requests.models import ID_PATTERN
from videojobs.webhooks.settings import WebhookSettings
from videojobs.webhooks.url_rules import webhook_url_error

_TEST_DATA: Final = {"message": "A test of this endpoint."}


@dataclass(frozen=True, slots=True)
class DeliveryRows:
    """One page of deliveries, newest first."""

    deliveries: Sequence[WebhookDelivery]
    next_cursor: str | None  # None on the last page


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """None: all of them."""

    endpoint_id: uuid.UUID | None = None
    job_id: str | None = None
    state: DeliveryState | None = None


async def create_endpoint(
    state: AppState, principal: Principal, url: str, events: Sequence[str], description: str
) -> WebhookEndpoint:
    """A new endpoint, with its secret."""
    _validate_url(url)
    async with _open_repository(state) as repository:
        return await repository.create_webhook_endpoint(
            principal.user_id,
            url,
            list(dict.fromkeys(events)),
            description,
            limit=WebhookSettings.current().max_endpoints,
        )


async def list_endpoints(state: AppState, principal: Principal) -> Sequence[WebhookEndpoint]:
    """The caller's own."""
    async with _open_repository(state) as repository:
        return await repository.list_webhook_endpoints(principal.user_id)


async def get_endpoint(state: AppState, principal: Principal, endpoint_id: str) -> WebhookEndpoint:
    async with _open_repository(state) as repository:
        return await repository.get_webhook_endpoint(principal.owner, _parse_id(endpoint_id))


async def update_endpoint(
    state: AppState, principal: Principal, endpoint_id: str, changes: EndpointChanges
) -> WebhookEndpoint:
    if changes.url is not None:
        _validate_url(changes.url)
    async with _open_repository(state) as repository:
        return await repository.update_webhook_endpoint(principal.owner, _parse_id(endpoint_id), changes)


async def delete_endpoint(state: AppState, principal: Principal, endpoint_id: str) -> None:
    async with _open_repository(state) as repository:
        await repository.delete_webhook_endpoint(principal.owner, _parse_id(endpoint_id))


async def rotate_secret(state: AppState, principal: Principal, endpoint_id: str) -> WebhookEndpoint:
    """The endpoint with a new secret."""
    async with _open_repository(state) as repository:
        return await repository.rotate_webhook_secret(principal.owner, _parse_id(endpoint_id), _overlap())


async def rotate_callback_secret(state: AppState, principal: Principal) -> WebhookEndpoint:
    """A new secret for the callbacks of the caller's jobs."""
    async with _open_repository(state) as repository:
        return await repository.rotate_callback_secret(principal.user_id, _overlap())


async def send_test(state: AppState, principal: Principal, endpoint_id: str) -> str:
    """The id of the delivery."""
    async with _open_repository(state) as repository:
        return await repository.send_test_webhook(principal.owner, _parse_id(endpoint_id), _TEST_DATA)


async def replay_failed(state: AppState, principal: Principal, endpoint_id: str, since: datetime) -> int:
    """How many deliveries are sent again."""
    async with _open_repository(state) as repository:
        endpoint = await repository.get_webhook_endpoint(principal.owner, _parse_id(endpoint_id))
        return await repository.replay_failed_deliveries(endpoint, since)


async def list_deliveries(
    state: AppState, principal: Principal, chosen: DeliveryFilter, *, limit: int, cursor: str | None = None
) -> DeliveryRows:
    """Those that the caller may see."""
    position = decode_cursor(cursor) if cursor else None
    async with _open_repository(state) as repository:
        found = await repository.list_webhook_deliveries(
            principal.owner,
            endpoint_id=chosen.endpoint_id,
            job_id=chosen.job_id,
            state=chosen.state,
            limit=limit + 1,
            after=DeliveryCursor(position.created_at, position.job_id) if position else None,
        )
    return DeliveryRows(found[:limit], encode_cursor(found[limit - 1]) if len(found) > limit else None)


async def get_delivery(
    state: AppState, principal: Principal, delivery_id: str
) -> tuple[WebhookDelivery, Sequence[WebhookAttempt]]:
    """A delivery and its tries."""
    async with _open_repository(state) as repository:
        return await repository.get_webhook_delivery(principal.owner, _checked(delivery_id))


async def replay(state: AppState, principal: Principal, delivery_id: str) -> WebhookDelivery:
    """Send it again now."""
    async with _open_repository(state) as repository:
        return await repository.replay_webhook_delivery(principal.owner, _checked(delivery_id))


@asynccontextmanager
async def _open_repository(state: AppState) -> AsyncIterator[JobRepository]:
    """The repository, whose errors become answers."""
    try:
        yield await state.services.repository()
    except UnknownEndpoint:
        raise ApiError(404, "This webhook endpoint does not exist.", code=UnknownEndpoint.code) from None
    except UnknownDelivery:
        raise ApiError(404, "This webhook delivery does not exist.", code=UnknownDelivery.code) from None
    except TooManyEndpoints as error:
        raise ApiError(409, f"{str(error).capitalize()}.", code=error.code) from None
    except EndpointDisabled as error:
        raise ApiError(409, str(error), code=error.code) from None


def _validate_url(url: str) -> None:
    if (error := webhook_url_error(url)) is not None:
        raise validation_error([FieldError("url", error, ProblemCode.INVALID_FORMAT)])


def _parse_id(text: str) -> uuid.UUID:
    """An id that is none belongs to no endpoint."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise UnknownEndpoint("there is no such endpoint") from None


def _checked(delivery_id: str) -> str:
    """As `_parse_id`: Postgres takes no NUL."""
    if not re.fullmatch(ID_PATTERN, delivery_id):
        raise UnknownDelivery("there is no such delivery")
    return delivery_id


def _overlap() -> timedelta:
    return timedelta(hours=WebhookSettings.current().secret_overlap_hours)
