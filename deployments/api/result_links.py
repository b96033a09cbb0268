"""Links to a job's result that need no token: `/d/{token}`. Browsers open them, and editors show them.

A link's token holds the time at which it expires, a signature, and the job's id. The signature is made with a key of
the job (column `link_key`): links cannot be guessed, a new key revokes all links of the job, and none works once the
job's row is deleted. Nothing is stored for a link, because job lists are polled every few seconds.
"""

import base64
import binascii
import hashlib
import hmac
import re
import struct
import time
from dataclasses import dataclass
from typing import Final

from deployments.api.dependencies import AppState
from deployments.api.middleware import request_context
from videojobs.db import VideoJob
from videojobs.requests.models import ID_PATTERN
from videojobs.settings import DAY_SECONDS, AccessSettings

LINK_PREFIX: Final = "/d"
LINK_PATTERN: Final = r"^[A-Za-z0-9_-]{28,120}$"  # an id of 1 to 64 characters, and 20 bytes

_PURPOSE: Final = b"result link\0"  # another use of the key must give other signatures
_EXPIRY: Final = struct.Struct(">I")  # seconds since 1970
_SIGNATURE_BYTES: Final = 16  # 128 bits cannot be guessed
_ROUNDING_SECONDS: Final = 3600  # a page that polls gets the same link for an hour, so it need not draw its rows again


@dataclass(frozen=True, slots=True)
class LinkToken:
    """A token that could be read; `is_signed_by` says whether it is genuine."""

    job_id: str
    expires_at: int  # seconds since 1970
    signature: bytes

    @classmethod
    def parse(cls, text: str) -> "LinkToken | None":
        """None if this cannot be a token of ours."""
        try:
            content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            head = _EXPIRY.size + _SIGNATURE_BYTES
            job_id = content[head:].decode("ascii")
            (expires_at,) = _EXPIRY.unpack(content[: _EXPIRY.size])
        except (ValueError, binascii.Error, struct.error):
            return None
        if not re.fullmatch(ID_PATTERN, job_id):
            return None
        return cls(job_id, expires_at, content[_EXPIRY.size : head])

    def is_signed_by(self, job: VideoJob) -> bool:
        return hmac.compare_digest(self.signature, _sign(job, self.expires_at))

    @property
    def is_expired(self) -> bool:
        return time.time() >= self.expires_at


def result_link(state: AppState, job: VideoJob) -> str | None:
    """A link to the result, or to the fallback result of a failed job; None before there is one.

    It is absolute: under `VIDEOJOBS_PUBLIC_URL`, else under the address of the current request.
    """
    if job.output_url is None:
        return None
    base = (AccessSettings.current().public_url or request_context.base_url()).rstrip("/")
    return f"{base}{LINK_PREFIX}/{_new_token(job, state.settings.result_link_days)}"


def _new_token(job: VideoJob, days: float) -> str:
    latest = time.time() + days * DAY_SECONDS
    expires_at = int(latest - latest % -_ROUNDING_SECONDS)
    content = _EXPIRY.pack(expires_at) + _sign(job, expires_at) + job.id.encode("ascii")
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def _sign(job: VideoJob, expires_at: int) -> bytes:
    message = _PURPOSE + _EXPIRY.pack(expires_at) + job.id.encode()
    return hmac.digest(job.link_key.bytes, message, hashlib.sha256)[:_SIGNATURE_BYTES]
