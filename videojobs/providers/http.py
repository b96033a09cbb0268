"""HTTP requests to vendors, and the meaning of a missing response.

Only opening a connection is retried here, which is safe for paid calls, too. Every other retry is the caller's
decision, by error type: see `videojobs.errors`.
"""

from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

import httpx
from pydantic import SecretStr

from videojobs.errors import ConfigurationError, OutcomeUnknown, VendorUnavailable
from videojobs.providers.response_limits import BoundedResponseTransport
from videojobs.providers.schemas import sanitize_text
from videojobs.testing.fault_injection import fault_point
from videojobs.tls import tls_context

CONNECT_SECONDS = 10.0  # a vendor that takes longer to accept a connection is down
READ_SECONDS = 60.0  # as long as a vendor's own SDKs wait (Sync.so 4)
WRITE_SECONDS = 30.0  # bodies are a few kilobytes of JSON
POOL_SECONDS = 60.0  # waiting for a free connection costs nothing and is safe to repeat
CONNECT_RETRIES = 2  # httpx: after 0 s and 0.5 s, only while no connection exists
MAX_CONNECTIONS = 100  # 5 GET/s (Sync.so 8) with 10 s long polls keep 50 open
# Node servers close idle connections after 5 s. A request sent while one closes is lost, and a paid one would then have
# to be treated as bought: never reuse a connection near that age.
KEEPALIVE_SECONDS = 2.0
# From the first wait for a connection to the response's last byte: the time-outs above, each of one step, and the read
# time-out again for the body. A server that sends single bytes never exceeds the time-out of one step.
ANSWER_SECONDS = POOL_SECONDS + 2 * CONNECT_SECONDS * (1 + CONNECT_RETRIES) + WRITE_SECONDS + 2 * READ_SECONDS

# Not sent: there was no connection.
_NOT_SENT_ERRORS = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
# RFC 9110: "send it there instead"; it was not processed here. A 302 or 303 may follow a processed POST.
_UNPROCESSED_REDIRECTS = (301, 307, 308)
_SECRET_HEADERS = ("x-api-key", "AppKey", "AppSign")


def vendor_http_client(
    base_url: str,
    *,
    headers: Mapping[str, SecretStr | str] | None = None,
    transport: httpx.AsyncBaseTransport | None = None,
    read_seconds: float = READ_SECONDS,
    connect_retries: int = CONNECT_RETRIES,
    answer_seconds: float = ANSWER_SECONDS,
) -> httpx.AsyncClient:
    """Build the client for one vendor; close it with `aclose()` or `async with`. Redirects are never followed.

    `headers` are credentials: they are sent with every request and show in no repr. `transport` replaces the network in
    tests. Raises `ConfigurationError` for an unusable `base_url` or credential.
    """
    limits = httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=KEEPALIVE_SECONDS)
    network = transport or httpx.AsyncHTTPTransport(verify=tls_context(), retries=connect_retries, limits=limits)
    return httpx.AsyncClient(
        base_url=_validate_base_url(base_url),
        auth=_CredentialHeaders(headers or {}),
        headers={"Accept-Encoding": "identity"},
        transport=BoundedResponseTransport(network, answer_seconds),
        timeout=httpx.Timeout(connect=CONNECT_SECONDS, read=read_seconds, write=WRITE_SECONDS, pool=POOL_SECONDS),
        follow_redirects=False,
    )


class _CredentialHeaders(httpx.Auth):
    """Adds credentials when a request is sent. As default headers, they would show in the client's headers."""

    def __init__(self, headers: Mapping[str, SecretStr | str]) -> None:
        self._headers = {name: SecretStr(v) if isinstance(v, str) else v for name, v in headers.items()}
        for name, secret in self._headers.items():
            validate_header_secret(secret, name)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers.update({name: value.get_secret_value() for name, value in self._headers.items()})
        yield request


def _validate_base_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError("A vendor's base URL must look like https://host; check the configuration")
    return url


def validate_header_secret(secret: SecretStr, name: str) -> str:
    """The secret's text, checked to fit in a header.

    Otherwise a line break pasted with a key would surface in an error that quotes the key.
    """
    value = secret.get_secret_value()
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ConfigurationError(
            f"The {name} is empty or contains blanks, line breaks or non-ASCII characters; enter it again"
        )
    return value


async def send(
    http: httpx.AsyncClient, request: httpx.Request, *, vendor: str, call: str, paid: bool
) -> httpx.Response:
    """Send one request and return the vendor's response, whatever its status, except for redirects.

    `call` names it among the fault points (`videojobs.testing.fault_injection`). Raises `VendorUnavailable` if nothing
    was bought, `OutcomeUnknown` if a paid request may have arrived, `ConfigurationError` if the vendor's address has
    changed.
    """
    fault_point(f"{call}.before_call")
    try:
        response = await http.send(request, follow_redirects=False)
    except _NOT_SENT_ERRORS as error:
        raise VendorUnavailable(f"{vendor} could not be reached: {_describe_error(error)}") from error
    except httpx.RequestError as error:
        raise no_answer_error(vendor, _describe_error(error), paid=paid) from error
    fault_point(f"{call}.after_call")
    if not 300 <= response.status_code < 400:
        return response
    target = sanitize_text(response.headers.get("location", "nowhere"))
    if response.status_code in _UNPROCESSED_REDIRECTS:
        raise ConfigurationError(f"{vendor} has moved to {target}: correct its base URL")
    raise no_answer_error(vendor, f"a redirect ({response.status_code}) to {target}", paid=paid)


def _describe_error(error: httpx.RequestError) -> str:
    # h11's own messages quote header values.
    text = "" if isinstance(error, httpx.LocalProtocolError) else sanitize_text(str(error))
    return f"{type(error).__name__} {text}".strip()


def no_answer_error(
    vendor: str, reason: str, *, paid: bool, vendor_id: str | None = None, retry_after: float | None = None
) -> OutcomeUnknown | VendorUnavailable:
    """The error for a request that was sent and got no usable response."""
    if paid:
        return OutcomeUnknown(f"{vendor} may or may not have accepted the request: {reason}", vendor_id=vendor_id)
    return VendorUnavailable(f"{vendor} sent no usable response: {reason}", retry_after=retry_after)


def redact(response: httpx.Response, text: str | None) -> str:
    """The vendor's `text` (else the raw response, if that is plain text) without the credentials that were sent."""
    raw = text or response.text
    for name in _SECRET_HEADERS:
        if value := response.request.headers.get(name):
            raw = raw.replace(value, "***")
    line = sanitize_text(raw)
    return response.reason_phrase if not line or line.startswith("<") else line


def parse_retry_after(response: httpx.Response) -> float | None:
    """Seconds in the `Retry-After` header (a number, or a date), or None."""
    value = response.headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        return _seconds_until(value, response.headers.get("date"))
    return max(seconds, 0.0) if isfinite(seconds) else None


def _seconds_until(date: str, vendor_now: str | None) -> float | None:
    """Seconds from the vendor's own clock (its `Date` header; else ours) to `date`."""
    try:
        now = parsedate_to_datetime(vendor_now) if vendor_now else datetime.now(UTC)
        return max((parsedate_to_datetime(date) - now).total_seconds(), 0.0)
    except (ValueError, TypeError):  # no date, or one date with a zone and one without
        return None
