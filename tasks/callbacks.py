"""Where a vendor reports that it is done: an address of the front door, its own for each submission."""

from typing import Literal

from videojobs.ledger import Submission
from videojobs.settings import Access


def callback_url(vendor: Literal["sync-so", "ghostcut"], submission: Submission) -> str | None:
    """None where no front door can be reached from outside: then the vendor is only asked."""
    base = Access().public_url
    return f"{base.rstrip('/')}/callbacks/{vendor}/{submission.callback_token}" if base else None
