"""The tables of webhooks.

`webhook_endpoints`  Where a user's messages go. One without a `url` stands for the `callback_url` of the user's jobs.
`webhook_deliveries` The outbox: one row per event and endpoint, written in the transaction of the event.
`webhook_attempts`   Each try to send one of them.
"""

import uuid
from datetime import datetime
from enum import StrEnum

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, Index, Integer, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from videojobs.db.models import Base, Json
from videojobs.webhooks.signing import new_secret

_NOW = func.clock_timestamp()


class DeliveryState(StrEnum):
    """How a delivery stands."""

    PENDING = "pending"  # it is sent at `next_attempt_at`
    DELIVERED = "delivered"  # the endpoint has answered 2xx
    FAILED = "failed"  # all tries failed, or the endpoint was disabled; it can be replayed


class WebhookEndpoint(Base):
    """A receiver. Secrets are stored as they are: signing needs them."""

    __tablename__ = "webhook_endpoints"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    user_id: Mapped[str] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(Text)  # None: each delivery has its job's `callback_url`
    description: Mapped[str] = mapped_column(Text, default="")
    events: Mapped[list[str]] = mapped_column(ARRAY(Text))  # `videojobs.webhooks.events`
    secret: Mapped[str] = mapped_column(Text, default=new_secret)
    previous_secret: Mapped[str | None] = mapped_column(Text)  # live until `previous_secret_until`
    previous_secret_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    failing_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))  # no success since then
    disabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    disabled_reason: Mapped[str | None] = mapped_column(Text)  # for its owner
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)

    __table_args__ = (
        Index("ix_webhook_endpoints_user_id", "user_id", "created_at"),
        # One for the callbacks of a user, also when two jobs need it at once.
        Index("uq_webhook_endpoints_callbacks", "user_id", unique=True, postgresql_where=text("url IS NULL")),
    )


class WebhookDelivery(Base):
    """One message for one endpoint. It outlives its job."""

    __tablename__ = "webhook_deliveries"

    # The receiver's `webhook-id`, the same for every try, so that it can drop duplicates.
    id: Mapped[str] = mapped_column(
        Text, primary_key=True, server_default=text("'msg_' || replace(gen_random_uuid()::text, '-', '')")
    )
    endpoint_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(Text)
    lane: Mapped[str] = mapped_column(Text)  # deliveries with the same one share a concurrency limit
    callback_url: Mapped[str | None] = mapped_column(Text)  # where the endpoint has no `url`
    job_id: Mapped[str | None] = mapped_column(Text)  # None: a test
    event: Mapped[str] = mapped_column(Text)
    data: Mapped[Json] = mapped_column(JSONB)
    state: Mapped[DeliveryState] = mapped_column(server_default=DeliveryState.PENDING.value)
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))  # since it was created or replayed
    # When it is sent. A process that sends it sets this to when another process may try.
    next_attempt_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)

    __table_args__ = (
        CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
        Index("ix_webhook_deliveries_due", "lane", "next_attempt_at", postgresql_where=text("state = 'pending'")),
        Index("ix_webhook_deliveries_endpoint_id", "endpoint_id", "created_at"),
        Index("ix_webhook_deliveries_user_id", "user_id", "created_at"),
        Index("ix_webhook_deliveries_created_at", "created_at"),
    )


class WebhookAttempt(Base):
    """One try."""

    __tablename__ = "webhook_attempts"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    delivery_id: Mapped[str] = mapped_column(ForeignKey("webhook_deliveries.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=_NOW)  # when it ended
    status: Mapped[int | None] = mapped_column(Integer)  # None: no answer
    error: Mapped[str | None] = mapped_column(Text)  # why it counts as failed
    response: Mapped[str] = mapped_column(Text, default="")  # the beginning of the answer
    duration_ms: Mapped[int] = mapped_column(Integer)
