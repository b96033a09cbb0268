"""Is a callback really from GhostCut? Facts: GhostCut fact sheet, section 6.

The signature carries no time: a callback may be a replay, and the vendor itself repeats them. Treat each as news about
one work, whose body is a `WorkStatus`, and answer 200 with a body that is not empty.
"""

import hmac

from pydantic import SecretStr

from videojobs.providers.ghostcut.signing import sign


def verify_signature(raw_body: bytes, signature: str | None, app_secret: SecretStr) -> bool:
    """Check the header `Callback-Sign` over the bytes as they came."""
    if not signature or not app_secret.get_secret_value():
        return False
    # Bytes, as compare_digest refuses non-ASCII text.
    return hmac.compare_digest(sign(raw_body, app_secret).encode(), signature.strip().lower().encode())
