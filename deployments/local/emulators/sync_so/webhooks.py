"""Signs and sends webhooks: once, without a retry (fact sheet 7)."""

import hashlib
import hmac
import json
import time

import httpx

from deployments.local.emulators.sqlite_store import Row
from deployments.local.emulators.sync_so.faults import WebhookFault


def signature_header(secret: str, moment: int, body: bytes) -> str:
    """The value of the header `Sync-Signature`."""
    signed = f"{moment}.".encode() + body
    return f"t={moment},v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}"


async def send_webhook(
    http_client: httpx.AsyncClient, url: str, payload: Row, secret: str, fault: WebhookFault | None
) -> list[tuple[str, str]]:
    """Deliver a webhook, changed by the armed fault; returns (body, outcome) of each delivery."""
    body = json.dumps(payload, separators=(",", ":")).encode()
    effect = fault.effect if fault else None
    if effect == "drop":
        return [(body.decode(), "dropped")]
    if effect == "wrong_signature":
        secret = f"not-{secret}"
    moment = int(time.time()) - (3600 if effect == "old" else 0)
    headers = {"Content-Type": "application/json", "Sync-Signature": signature_header(secret, moment, body)}
    deliveries = []
    for _ in range(2 if effect == "duplicate" else 1):
        try:
            answer = await http_client.post(url, content=body, headers=headers)
            outcome = str(answer.status_code)
        except httpx.HTTPError as error:
            outcome = type(error).__name__
        deliveries.append((body.decode(), outcome))
    return deliveries
