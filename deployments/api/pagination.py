"""Pages of lists: whose jobs are listed, and the cursor of the next page."""

import base64
import binascii
import re
from datetime import datetime

from deployments.api.auth import Principal
from deployments.api.errors import ApiError, validation_error
from videojobs.db import VideoJob
from videojobs.db.batches import JobBatch
from videojobs.db.queries import Cursor
from videojobs.db.webhook_models import WebhookDelivery
from videojobs.errors import FieldError, ProblemCode
from videojobs.requests.models import ID_PATTERN


def resolve_owner(principal: Principal, user: str | None) -> str | None:
    """The user whose jobs are listed; None for all users. Raises ApiError (403)."""
    if user is not None and user != principal.user_id and not principal.is_admin:
        raise ApiError(403, "This token gives access to its own user's jobs only.")
    return user or principal.owner


def encode_cursor(row: VideoJob | WebhookDelivery | JobBatch) -> str:
    """The cursor of the page that follows this row."""
    return base64.urlsafe_b64encode(f"{row.created_at.isoformat()} {row.id}".encode()).decode()


def decode_cursor(cursor: str) -> Cursor:
    """The position that `encode_cursor` wrote. Raises ApiError (422)."""
    try:
        at, _, job_id = base64.b64decode(cursor, altchars=b"-_", validate=True).decode().partition(" ")
        created_at = datetime.fromisoformat(at)
    except (ValueError, binascii.Error):
        raise _invalid_cursor() from None
    if created_at.tzinfo is None or not re.fullmatch(ID_PATTERN, job_id):
        raise _invalid_cursor()
    return Cursor(created_at, job_id)


def _invalid_cursor() -> ApiError:
    message = "is not a cursor of this list; start without one"
    return validation_error([FieldError("cursor", message, ProblemCode.INVALID_FORMAT)])
