"""What GhostCut's envelope codes and HTTP statuses mean for us. Facts: GhostCut fact sheet, section 8."""

import httpx

from videojobs.errors import ConfigurationError, VendorRefused, VendorThrottled, VideoJobError
from videojobs.vendors.ghostcut.wire import Envelope
from videojobs.vendors.http import quoted, retry_after, unanswered

VENDOR = "GhostCut"

# Header missing, not POST, wrong key, wrong signature: nothing was looked at.
CONFIGURATION_CODES = frozenset({2001, 2002, 2003, 2004})
# "Data process Limit"; which limit is not said.
THROTTLE_CODES = frozenset({3006})
# Unknown id, identity missing, URLs missing, business and parameter errors: nothing was bought.
REFUSAL_CODES = frozenset({3003, 3007, 3008, 4001, 4002, 4003, 4004})
# The gateway knows no such door, or does not open it to us.
_CONFIGURATION_STATUSES = frozenset({401, 403, 404, 405, 407})


def refusal(response: httpx.Response, envelope: Envelope | None, *, paid: bool) -> VideoJobError:
    """Give the error for an answer that is no success; `paid` says whether the call may have bought something.

    All codes that are not known to mean "nothing was bought" (3001, 3002, 9999, 500, new ones) leave that open.
    """
    status, code = response.status_code, envelope.code if envelope else None
    told = _told(response, envelope)
    if status >= 500 or status == 408:
        return unanswered(VENDOR, told, paid=paid, retry_after=retry_after(response))
    if code in CONFIGURATION_CODES:
        return ConfigurationError(f"{VENDOR} does not accept the app key or its signature {told}")
    if code in REFUSAL_CODES:
        return VendorRefused(f"{VENDOR} refused the request {told}", code=str(code))
    if code in THROTTLE_CODES or status == 429:
        return VendorThrottled(f"{VENDOR} asks to wait {told}", vendor=VENDOR, retry_after=retry_after(response))
    return _by_status(response, told) or unanswered(VENDOR, told, paid=paid)


def _by_status(response: httpx.Response, told: str) -> VideoJobError | None:
    """Give the error for a 4xx of the gateway, which never passed the request on."""
    if response.status_code in _CONFIGURATION_STATUSES:
        return ConfigurationError(f"{VENDOR} does not serve this address; check base URL and path {told}")
    if response.is_client_error:
        return VendorRefused(f"{VENDOR} refused the request {told}", code=f"HTTP {response.status_code}")
    return None


def _told(response: httpx.Response, envelope: Envelope | None) -> str:
    """What the vendor said: `(code 3008): text`, with the HTTP status where that is not 200."""
    http = [] if response.status_code == 200 else [f"HTTP {response.status_code}"]
    code = [f"code {envelope.code}"] if envelope and envelope.code is not None else []
    return f"({', '.join(http + code) or 'no code'}): {quoted(response, envelope.msg if envelope else None)}"
