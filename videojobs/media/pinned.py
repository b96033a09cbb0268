"""The way into the network for links of others: it connects to the very address that was checked.

A name is looked up once for each request, and all that it means has to be public; the connection then goes to one of
these addresses, while TLS and the other side still see the name. So a name that means something else a moment later
(DNS rebinding) changes nothing, and each hop of a redirect is checked like the first one.

Proxies that the environment names are not used here, since a proxy would look the name up again, by itself; nor are
passwords of a `.netrc`. A machine that reaches the internet only through a proxy takes its inputs from storage.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from ssl import SSLContext
from typing import Final

import httpcore
import httpx

from videojobs.errors import InvalidMedia, TransferInterrupted
from videojobs.media.network import PacedNetwork
from videojobs.media.pace import Pace
from videojobs.media.reach import NOT_PUBLIC, Reach

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


def guarded_http(reach: Reach, pace: Pace, *, look_up: LookUp = look_up) -> httpx.Client:
    """A client for one transfer from a link of others; it carries no credentials, and keeps the pace."""
    return httpx.Client(transport=_Pinned(reach, pace, look_up), trust_env=False)


class _Pinned(httpx.BaseTransport):
    """Looks up, checks, and connects to what was checked. Raises LinkRefused, TransferInterrupted, httpx's errors."""

    def __init__(self, reach: Reach, pace: Pace, look_up: LookUp) -> None:
        self._reach = reach
        self._look_up = look_up
        # Kept connections are shared by address, and two names at one address are two sites to TLS.
        self._network = httpcore.ConnectionPool(_tls(), max_keepalive_connections=0, network_backend=PacedNetwork(pace))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        failure: Exception | None = None
        for address in self._checked(request.url)[:TRIES]:
            try:
                with _httpx_errors():
                    answer = self._network.handle_request(_pinned(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            else:
                return httpx.Response(answer.status, headers=answer.headers, stream=_Content(answer))
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


def _pinned(request: httpx.Request, address: str) -> httpcore.Request:
    """The same request to this address; its `Host` header and TLS's SNI keep the name, and so does the certificate."""
    url = request.url
    return httpcore.Request(
        request.method,
        httpcore.URL(scheme=url.raw_scheme, host=address, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        extensions={**request.extensions, "sni_hostname": _name(url).rstrip(".")},
    )


class _Content(httpx.SyncByteStream):
    """An answer's content, in pieces."""

    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        with _httpx_errors():
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


@contextmanager
def _httpx_errors() -> Iterator[None]:
    """httpcore's errors as httpx's, which has one of the same name for each."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        same: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise same(str(error)) from error


def _name(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")


@cache
def _tls() -> SSLContext:
    """Reading the certificates anew for each transfer would take 40 ms. `SSL_CERT_FILE` counts."""
    return httpx.create_ssl_context()
