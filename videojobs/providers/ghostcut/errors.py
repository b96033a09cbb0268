"""What GhostCut's envelope codes and HTTP statuses mean for us. Facts: GhostCut fact sheet, section 8."""

import httpx

from videojobs.errors import ConfigurationError, VendorRateLimited, VendorRejected, VideoJobError
from videojobs.providers.ghostcut.schemas import Envelope
from videojobs.providers.http import no_answer_error, parse_retry_after, redact

VENDOR = "GhostCut"

# Header missing, not POST, wrong key, wrong signature: rejected before anything was processed.
CONFIGURATION_CODES = frozenset({2001, 2002, 2003, 2004})
# "Data process Limit"; which limit is not documented.
RATE_LIMIT_CODES = frozenset({3006})
# Unknown id, identity missing, URLs missing, business and parameter errors: nothing was bought.
REJECTION_CODES = frozenset({3003, 3007, 3008, 4001, 4002, 4003, 4004})
# The gateway does not serve this path, or not to us.
_CONFIGURATION_STATUSES = frozenset({401, 403, 404, 405, 407})


def to_error(response: httpx.Response, envelope: Envelope | None, *, paid: bool) -> VideoJobError:
    """The error for an unsuccessful response; `paid`: whether the call may have bought something.

    Any code that is not known to mean "nothing was bought" (3001, 3002, 9999, 500, new ones) leaves the outcome open.
    """
    status, code = response.status_code, envelope.code if envelope else None
    description = _describe(response, envelope)
    if status >= 500 or status == 408:
        return no_answer_error(VENDOR, description, paid=paid, retry_after=parse_retry_after(response))
    if code in CONFIGURATION_CODES:
        return ConfigurationError(
            f"{VENDOR} does not accept the app key or its signature; check its credentials block {description}"
        )
    if code in REJECTION_CODES:
        return VendorRejected(f"{VENDOR} refused the request {description}", vendor_code=str(code))
    if code in RATE_LIMIT_CODES or status == 429:
        return VendorRateLimited(
            f"{VENDOR} asks to wait {description}", vendor=VENDOR, retry_after=parse_retry_after(response)
        )
    return _status_error(response, description) or no_answer_error(VENDOR, description, paid=paid)


def _status_error(response: httpx.Response, description: str) -> VideoJobError | None:
    """The error for a 4xx of the gateway, which did not forward the request."""
    if response.status_code in _CONFIGURATION_STATUSES:
        return ConfigurationError(f"{VENDOR} does not serve this address; check base URL and path {description}")
    if response.is_client_error:
        return VendorRejected(f"{VENDOR} refused the request {description}", vendor_code=f"HTTP {response.status_code}")
    return None


def _describe(response: httpx.Response, envelope: Envelope | None) -> str:
    """The vendor's message: `(code 3008): text`, with the HTTP status unless that is 200."""
    http = [] if response.status_code == 200 else [f"HTTP {response.status_code}"]
    code = [f"code {envelope.code}"] if envelope and envelope.code is not None else []
    return f"({', '.join(http + code) or 'no code'}): {redact(response, envelope.msg if envelope else None)}"
