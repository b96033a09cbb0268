"""The URL at which a vendor reports the end of a submission: on the API, its own for each submission."""

from typing import Any

from videojobs.db import Submission
from videojobs.providers.base import Provider
from videojobs.settings import AccessSettings


def callback_url(provider: Provider[Any], submission: Submission) -> str | None:
    """None if the API has no public URL that the vendor accepts: then the vendor is only polled."""
    access = AccessSettings.current()
    base = access.public_url
    if base is None:
        return None
    needs_https = provider.capabilities.https_callbacks_only and not access.allow_plain_http
    if needs_https and not base.startswith("https:"):
        return None  # the vendor would reject the whole request
    return f"{base.rstrip('/')}/callbacks/{provider.key}/{submission.callback_token}"
