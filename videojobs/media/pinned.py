"""The way into the network for links of others: it connects to the very address that was checked.

A name is looked up once for each request, and all that it means has to be public; the connection then goes to one of
these addresses, while TLS and the other side still see the name. So a name that means something else a moment later
(DNS rebinding) changes nothing, and each hop of a redirect is checked like the first one.

Proxies that the environment names are not used here, since a proxy would look the name up again, by itself; nor are
passwords of a `.netrc`. A machine that reaches the internet only through a proxy takes its inputs from storage.
"""

import socket
from collections.abc import Callable, Sequence
from functools import cache
from ssl import SSLContext
from typing import Final

import httpx

from videojobs.errors import InvalidMedia, TransferInterrupted
from videojobs.media.reach import NOT_PUBLIC, Reach

TIMEOUT: Final = httpx.Timeout(30, connect=10)  # seconds of silence
TRIES: Final = 3  # addresses of one name; a large site has dozens
_PORTS: Final = {"https": 443, "http": 80}

LookUp = Callable[[str, int], Sequence[str]]
"""The addresses that a host's name means, best first. Raises OSError, or UnicodeError for what can be no name."""


class LinkRefused(InvalidMedia):
    """Nothing is fetched from there, or the other side answers and hands over no file."""


def look_up(host: str, port: int) -> list[str]:
    """By the system's own resolver. Blocks."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def guarded_http(reach: Reach, *, timeout: httpx.Timeout = TIMEOUT, look_up: LookUp = look_up) -> httpx.Client:
    """A client for links of others; it carries no credentials."""
    return httpx.Client(transport=_Pinned(reach, look_up), timeout=timeout, trust_env=False)


class _Pinned(httpx.BaseTransport):
    """Looks up, checks, and connects to what was checked. Raises LinkRefused, TransferInterrupted, httpx's errors."""

    def __init__(self, reach: Reach, look_up: LookUp) -> None:
        self._reach = reach
        self._look_up = look_up
        # Kept connections are shared by address, and two names at one address are two sites to TLS.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._network = httpx.HTTPTransport(verify=_tls(), limits=limits)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        failure: Exception | None = None
        for address in self._checked(request.url)[:TRIES]:
            try:
                return self._network.handle_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure or LinkRefused(f"the link {NOT_PUBLIC}")

    def close(self) -> None:
        self._network.close()

    def _checked(self, url: httpx.URL) -> Sequence[str]:
        host = _name(url)
        if complaint := self._reach.complaint_about_host(host):
            raise LinkRefused(f"the link {complaint}")
        try:
            addresses = self._look_up(host, url.port or _PORTS[url.scheme])
        except (OSError, UnicodeError) as error:
            if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
                raise TransferInterrupted("the link's host cannot be looked up now") from None
            addresses = []
        # One private address among public ones is no slip: it is how a guard that looks at one of them is passed.
        if not addresses or not all(map(self._reach.takes, addresses)):
            raise LinkRefused(f"the link {NOT_PUBLIC}")
        return addresses


def _pinned(request: httpx.Request, address: str) -> httpx.Request:
    """The same request to this address; its `Host` header and TLS's SNI keep the name, and so does the certificate."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": _name(request.url).rstrip(".")},
    )


def _name(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")


@cache
def _tls() -> SSLContext:
    """Reading the certificates anew for each transfer would take 40 ms. `SSL_CERT_FILE` counts."""
    return httpx.create_ssl_context()
