"""The HTTP transport for untrusted URLs: it connects to exactly the address that was checked.

A name is resolved once per request, and all its addresses must be public. The connection then goes to one of them,
while TLS and the server still see the name. So a later change of the name (DNS rebinding) has no effect. Each redirect
is checked like the first URL.

It does not use the environment's proxies, which would resolve the name again, nor passwords of a `.netrc`.
A machine that reaches the internet only through a proxy must get its inputs from storage.
"""

import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import httpcore
import httpx

from videojobs.errors import InvalidMedia, TransferInterrupted
from videojobs.media.paced_network import WatchedNetworkBackend
from videojobs.media.transfer_pace import TransferWatchdog
from videojobs.media.url_policy import NOT_PUBLIC_MESSAGE, UrlPolicy
from videojobs.tls import tls_context

MAX_ADDRESSES: Final = 3  # addresses of one name; a large site has dozens
_PORTS: Final = {"https": 443, "http": 80}

Resolver = Callable[[str, int], Sequence[str]]
"""The addresses of a host name, best first. Raises OSError, or UnicodeError for an invalid name."""


class UnfetchableUrl(InvalidMedia):
    """The URL is not allowed, or the server returns no file."""

    code = "unfetchable_url"


def resolve(host: str, port: int) -> list[str]:
    """Resolve with the system's resolver. Blocks."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def ssrf_safe_client(policy: UrlPolicy, watchdog: TransferWatchdog, *, resolver: Resolver = resolve) -> httpx.Client:
    """A client for one transfer from an untrusted URL, without credentials, under a watchdog."""
    return httpx.Client(transport=_PinnedTransport(policy, watchdog, resolver), trust_env=False)


class _PinnedTransport(httpx.BaseTransport):
    """Resolves, checks, and connects. Raises UnfetchableUrl, TransferInterrupted, httpx's errors."""

    def __init__(self, policy: UrlPolicy, watchdog: TransferWatchdog, resolver: Resolver) -> None:
        self._policy = policy
        self._resolver = resolver
        # Kept connections are shared by address, and two names at one address are two sites to TLS.
        self._network = httpcore.ConnectionPool(
            tls_context(), max_keepalive_connections=0, network_backend=WatchedNetworkBackend(watchdog)
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        failure: Exception | None = None
        for address in resolve_public(request.url, self._policy, self._resolver):
            try:
                with as_httpx_errors():
                    response = self._network.handle_request(pin_request(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            else:
                return httpx.Response(response.status, headers=response.headers, stream=_ResponseStream(response))
        raise failure or UnfetchableUrl(f"the link {NOT_PUBLIC_MESSAGE}")

    def close(self) -> None:
        self._network.close()


def resolve_public(url: httpx.URL, policy: UrlPolicy, resolver: Resolver) -> Sequence[str]:
    """The addresses that a request to this URL may go to, best first. Raises UnfetchableUrl or TransferInterrupted."""
    host = _host_name(url)
    if error_text := policy.host_error(host):
        raise UnfetchableUrl(f"the link {error_text}")
    try:
        addresses = resolver(host, url.port or _PORTS[url.scheme])
    except (OSError, UnicodeError) as error:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            raise TransferInterrupted("the link's host name cannot be resolved now") from None
        addresses = []
    # One private address among public ones is an attack on guards that check only one of them.
    if not addresses or not all(map(policy.allows_address, addresses)):
        raise UnfetchableUrl(f"the link {NOT_PUBLIC_MESSAGE}")
    return addresses[:MAX_ADDRESSES]


def pin_request(request: httpx.Request, address: str, content: bytes | None = None) -> httpcore.Request:
    """The same request to this address; its `Host` header and TLS's SNI keep the name, and so does the certificate."""
    url = request.url
    return httpcore.Request(
        request.method,
        httpcore.URL(scheme=url.raw_scheme, host=address, port=url.port, target=url.raw_path),
        headers=request.headers.raw,
        content=content,
        extensions={**request.extensions, "sni_hostname": _host_name(url).rstrip(".")},
    )


class _ResponseStream(httpx.SyncByteStream):
    """A response's content, in chunks."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    def __iter__(self) -> Iterator[bytes]:
        with as_httpx_errors():
            yield from self._response.iter_stream()

    def close(self) -> None:
        self._response.close()


@contextmanager
def as_httpx_errors() -> Iterator[None]:
    """Convert httpcore's errors to httpx's, which have the same names."""
    try:
        yield
    except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
        same: type[httpx.TransportError] = getattr(httpx, type(error).__name__)
        raise same(str(error)) from error


def _host_name(url: httpx.URL) -> str:
    return url.raw_host.decode("ascii")
