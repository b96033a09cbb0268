"""Sync.so's JSON of a generation."""

import json
from datetime import UTC, datetime

from deployments.local.emulators.sqlite_store import Row

# omitted in webhooks (fact sheet 7)
NOT_IN_WEBHOOKS = ("outputFileName", "projectId", "synthesizedAudioUrl", "outputMediaUrl", "segments")


def generation_json(row: Row, output_url: str | None) -> Row:
    """The Generation resource. Fields without a value are explicit nulls."""
    request = json.loads(row["request"])
    return {
        "id": row["id"],
        "createdAt": _iso(row["created_at"]),
        "status": row["status"],
        "model": request["model"],
        "input": request["input"],
        "options": request.get("options"),
        "segments": request.get("segments"),
        "webhookUrl": request.get("webhookUrl"),
        "outputUrl": output_url,
        "outputMediaUrl": output_url,
        "segmentOutputUrl": None,
        "outputDuration": row["output_duration"],
        "error": row["error"],
        "errorCode": row["error_code"],
        "projectId": request.get("projectId"),
        "outputFileName": request.get("outputFileName"),
        "synthesizedAudioUrl": None,
    }


def webhook_json(row: Row, output_url: str | None) -> Row:
    """The body of a webhook: a Generation without some fields, and with `error_code` in snake case."""
    body = generation_json(row, output_url)
    for name in NOT_IN_WEBHOOKS:
        del body[name]
    body["error_code"] = body.pop("errorCode")
    return body


def _iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
