"""Requests and answers about webhooks."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from videojobs.db.webhook_models import DeliveryState
from videojobs.requests.models import Label
from videojobs.webhooks.events import DEFAULT_EVENTS, WebhookEvent
from videojobs.webhooks.url_rules import MAX_URL_LENGTH

_URL: Final = Field(
    min_length=1,
    max_length=MAX_URL_LENGTH,
    description="An https address that anyone on the internet can reach.",
    examples=["https://example.com/webhooks"],
)
_EVENTS: Final = Field(
    min_length=1,
    max_length=len(WebhookEvent),
    description="Which events are sent. By default all but `job.progress`, which may come every few seconds.",
    examples=[["job.completed", "job.failed"]],
)
Url = Annotated[str, _URL]
Events = Annotated[list[WebhookEvent], _EVENTS]


class WebhookEndpointCreate(BaseModel):
    """A new endpoint."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    events: Events = list(DEFAULT_EVENTS)
    description: Label = Field(default="", description="What it is for.", examples=["Orders, production"])


class WebhookEndpointUpdate(BaseModel):
    """What changes of an endpoint; what is missing or null stays."""

    model_config = ConfigDict(extra="forbid")

    url: Url | None = None
    events: Events | None = None
    description: Label | None = None
    enabled: bool | None = Field(
        default=None,
        strict=True,
        description="A disabled endpoint gets nothing. What it misses is kept and can be replayed.",
    )


class WebhookEndpointInfo(BaseModel):
    """An endpoint, without its secret."""

    id: uuid.UUID
    user_id: str = Field(examples=["ada"])
    url: str = Field(examples=["https://example.com/webhooks"])
    description: str
    events: list[WebhookEvent]
    enabled: bool
    disabled_reason: str | None = Field(
        description="Why it was disabled.", examples=["It answered 410 (Gone): it wants no more messages."]
    )
    disabled_at: datetime | None
    failing_since: datetime | None = Field(description="All tries since then have failed.")
    previous_secret_until: datetime | None = Field(description="Until then messages have a second signature.")
    created_at: datetime


class WebhookEndpointCreated(WebhookEndpointInfo):
    """A new endpoint with its secret, which is not shown again."""

    secret: str = Field(examples=["whsec_..."])


class WebhookEndpoints(BaseModel):
    """The user's endpoints, oldest first."""

    endpoints: list[WebhookEndpointInfo]


class WebhookSecret(BaseModel):
    """A new secret. It is not shown again."""

    secret: str = Field(examples=["whsec_..."])
    previous_secret_until: datetime | None = Field(description="Until then the previous one signs, too.")


class WebhookDeliveryInfo(BaseModel):
    """One message for one endpoint."""

    id: str = Field(description="`webhook-id` of every try.", examples=["msg_7d0c5f0e2c1b4f5e9a530a6f4f7f3c11"])
    endpoint_id: uuid.UUID | None = Field(description="Null for the callback of a job.")
    callback_url: str | None = Field(description="The `callback_url` of the job, for its callback.")
    job_id: str | None = Field(description="Null for a test.")
    event: str = Field(examples=["job.completed"])
    state: DeliveryState
    attempts: int = Field(description="Failed tries since it was created or replayed.")
    next_attempt_at: datetime | None = Field(description="Of a pending delivery.")
    created_at: datetime


class WebhookTry(BaseModel):
    """One try to send it."""

    at: datetime = Field(description="When it ended.")
    status: int | None = Field(description="HTTP status; null without an answer.", examples=[503])
    error: str | None = Field(description="Why it counts as failed.", examples=["it answered 503"])
    response: str = Field(description="The beginning of the answer.")
    duration_ms: int


class WebhookDeliveryDetails(WebhookDeliveryInfo):
    """A delivery with its message and its tries, oldest first."""

    message: dict[str, Any]
    tries: list[WebhookTry]


class WebhookDeliveryPage(BaseModel):
    """One page of deliveries, newest first."""

    deliveries: list[WebhookDeliveryInfo]
    next_cursor: str | None = Field(description="Send it as `cursor` for the next page; null on the last page.")


class WebhookTest(BaseModel):
    """A test on its way."""

    delivery_id: str = Field(examples=["msg_7d0c5f0e2c1b4f5e9a530a6f4f7f3c11"])


class WebhookReplaySince(BaseModel):
    """Which failed deliveries to send again."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime = Field(
        description="Those whose event happened at this time or later.", examples=["2026-01-31T09:30:00Z"]
    )


class WebhooksReplayed(BaseModel):
    """How many deliveries are sent again."""

    replayed: int
