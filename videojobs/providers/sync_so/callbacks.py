"""Verifies Sync.so's webhooks. Facts: Sync.so fact sheet, section 7.

A genuine webhook is only a hint, sent at most once and possibly repeated: confirm it with `SyncSoClient.get`.
"""

import hmac
import re
from hashlib import sha256

from pydantic import SecretStr

TOLERANCE_SECONDS = 300.0  # the vendor names none; enough for clock skew, little for a replay
_UNIX_SECONDS = re.compile(r"[0-9]{1,12}")


def verify_signature(
    raw_body: bytes,
    signature: str | None,
    secret: SecretStr,
    *,
    now: float,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> bool:
    """Verify the header `Sync-Signature: t=<unix seconds>,v1=<hex>` over the exact bytes of the body.

    `secret` is the whole `whsec_...` text, `now` is unix time in seconds.
    """
    key = secret.get_secret_value().encode()
    pairs = [part.strip().partition("=") for part in (signature or "").split(",")]
    timestamp = next((value for name, _, value in pairs if name == "t"), "")
    if not key or not _UNIX_SECONDS.fullmatch(timestamp) or abs(now - int(timestamp)) > tolerance_seconds:
        return False
    expected = hmac.new(key, timestamp.encode() + b"." + raw_body, sha256).hexdigest().encode()
    # As bytes, because compare_digest rejects non-ASCII text. There may be several v1 while a secret is replaced.
    return any(hmac.compare_digest(expected, value.encode()) for name, _, value in pairs if name == "v1")
