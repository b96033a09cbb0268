"""Where a vendor reports that it is done: an address of the front door, its own for each submission."""

from typing import Literal

from videojobs.db import Submission
from videojobs.settings import AccessSettings


def callback_url(vendor: Literal["sync-so", "ghostcut"], submission: Submission) -> str | None:
    """None where no front door can be reached from outside: then the vendor is only asked."""
    access = AccessSettings.current()
    base = access.public_url
    if base is None or (vendor == "sync-so" and not (access.allow_plain_http or base.startswith("https:"))):
        return None  # Sync.so takes https only (Sync.so 2): another address could make it refuse the whole request
    return f"{base.rstrip('/')}/callbacks/{vendor}/{submission.callback_token}"
