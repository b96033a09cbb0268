"""Signatures after the Standard Webhooks specification, and the secrets that they are made with."""

import base64
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # the specification's prefix, for people and secret scanners
_SECRET_BYTES: Final = 32  # the specification asks for 24 to 64


def new_secret() -> str:
    """A random secret, as a receiver gives it to its library."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(message_id: str, sent_at: datetime, body: str, live_secrets: Sequence[str]) -> dict[str, str]:
    """The three headers of the specification. A message has one signature for each live secret."""
    sent_at = sent_at.astimezone(UTC)
    signatures = (Webhook(secret).sign(message_id, sent_at, body) for secret in live_secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(sent_at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
