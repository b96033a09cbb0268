"""Verifies GhostCut's callbacks. Facts: GhostCut fact sheet, section 6.

The signature contains no time, so a callback may be a replay; the vendor itself repeats them, too. Treat each as a hint
about one work, whose body is a `WorkStatus`, and respond with 200 and a body that is not empty.
"""

import hmac

from pydantic import SecretStr

from videojobs.providers.ghostcut.signing import sign


def verify_signature(raw_body: bytes, signature: str | None, app_secret: SecretStr) -> bool:
    """Verify the header `Callback-Sign` over the exact bytes of the body."""
    if not signature or not app_secret.get_secret_value():
        return False
    # As bytes, because compare_digest rejects non-ASCII text.
    return hmac.compare_digest(sign(raw_body, app_secret).encode(), signature.strip().lower().encode())
