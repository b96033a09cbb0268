"""Whether the Prefect API, which returns every credential, accepts requests that it should reject.

Sends a request without a password, and with the Origin of another site.
"""

import ssl
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import httpx
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_KEY,
    PREFECT_API_SSL_CERT_FILE,
    PREFECT_API_TLS_INSECURE_SKIP_VERIFY,
)

FOREIGN_ORIGIN: Final = "https://foreign.example"
UNAUTHORIZED_MESSAGE: Final = (
    "the Prefect server rejects our credentials ({status}): set PREFECT_API_AUTH_STRING to the user:password of its "
    "PREFECT_SERVER_API_AUTH_STRING (Prefect Cloud: PREFECT_API_KEY)"
)
_TIMEOUT_SECONDS: Final = 10  # a server that has just responded to `version` is fast
_DENIED_STATUSES: Final = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)


async def find_exposures(api_url: str) -> list[str]:
    """The server's problems, each with what to do. Raises httpx.HTTPError."""
    async with httpx.AsyncClient(verify=_tls_verification(), timeout=_TIMEOUT_SECONDS, follow_redirects=True) as http:
        answer = await http.get(f"{api_url.rstrip('/')}/admin/version", headers={"Origin": FOREIGN_ORIGIN})
    return [problem for problem in (_anonymous_access_problem(answer), _cors_problem(answer)) if problem]


def sends_cleartext_credentials(api_url: str) -> bool:
    """Whether the password travels unencrypted over a network."""
    url = urlsplit(api_url)
    has_secret = PREFECT_API_AUTH_STRING.value() or PREFECT_API_KEY.value()
    return url.scheme == "http" and bool(has_secret) and not _is_localhost(url.hostname or "")


def _anonymous_access_problem(response: httpx.Response) -> str | None:
    """An HTML response is the login page of a proxy before the server."""
    if response.status_code in _DENIED_STATUSES or "html" in response.headers.get("content-type", ""):
        return None
    if not response.is_success:
        return f"it returns {response.status_code} for a request without a password, instead of 401: see its log"
    return (
        "it answers requests without a password, and so returns every credential: start the server with "
        "PREFECT_SERVER_API_AUTH_STRING=user:password, and set the same as PREFECT_API_AUTH_STRING here, for the "
        "workers and for the API"
    )


def _cors_problem(response: httpx.Response) -> str | None:
    if response.headers.get("access-control-allow-origin") not in ("*", FOREIGN_ORIGIN):
        return None
    return (
        "it lets pages of every site read its responses (CORS): start the server with "
        "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS set to the address of its UI, such as https://prefect.example.com"
    )


def _tls_verification() -> ssl.SSLContext | bool:
    """As Prefect's own client does it."""
    if PREFECT_API_TLS_INSECURE_SKIP_VERIFY.value():
        return False
    certificates = PREFECT_API_SSL_CERT_FILE.value()
    return ssl.create_default_context(cafile=certificates) if certificates else True


def _is_localhost(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
