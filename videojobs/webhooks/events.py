"""The events that clients are told of, and what is said about the job."""

from enum import StrEnum
from typing import Any, Final

TEST_EVENT: Final = "webhook.test"
"""Sent on request only: proves that an endpoint receives and verifies."""


class WebhookEvent(StrEnum):
    """What happened to a job."""

    STARTED = "job.started"  # a run begins; again if the job continues after it was parked, failed or cancelled
    PROGRESS = "job.progress"  # percent, message or recovery point changed; only for endpoints that ask for it
    PARKED = "job.parked"  # an operator has to decide
    COMPLETED = "job.completed"  # the result is stored
    FAILED = "job.failed"  # also a request that was rejected by its run
    CANCELLED = "job.cancelled"
    DELETED = "job.deleted"  # the job and its files are gone


DEFAULT_EVENTS: Final = tuple(event for event in WebhookEvent if event is not WebhookEvent.PROGRESS)
"""Of an endpoint that names none, and of a job's `callback_url`. Progress may come every few seconds."""


def to_body(event: str, timestamp: str, data: dict[str, Any]) -> dict[str, Any]:
    """The message. `timestamp` is when it happened (ISO 8601), which is not when it is sent."""
    return {"type": event, "timestamp": timestamp, "data": data}
