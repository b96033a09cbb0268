"""Sends one webhook: to exactly the address that was checked, without redirects, within a time limit.

Asynchronous, since hundreds of receivers may be slow at the same time; `videojobs.media.pinned_transport` has the same
guard for downloads, which run in threads.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic
from typing import Final

import httpcore
import httpx

from videojobs.errors import InvalidMedia, TransferInterrupted
from videojobs.media.pinned_transport import (
    Resolver,
    UnfetchableUrl,
    as_httpx_errors,
    pin_request,
    resolve,
    resolve_public,
)
from videojobs.media.url_policy import UrlPolicy
from videojobs.testing.fault_injection import fault_point
from videojobs.tls import tls_context

EXCERPT_BYTES: Final = 1000  # of an answer, for its owner to find the reason of a failure
# Name look-ups block a thread each, for seconds if a name server is down. They have threads of their own, so that
# nothing else in this process waits for them.
_RESOLVER_THREADS: Final = 32
_HEADERS: Final = {
    "User-Agent": "videojobs-webhooks/1",
    "Content-Type": "application/json",
    "Accept": "*/*",
    "Accept-Encoding": "identity",  # a compressed answer would not be readable in the log
    "Connection": "close",
}


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What came of a try. `error` is None after a success."""

    status: int | None
    error: str | None
    response: str
    duration_ms: int


class WebhookSender:
    """Belongs to one event loop. `get_policy` says where webhooks may go at that time."""

    def __init__(self, get_policy: Callable[[], UrlPolicy], *, resolver: Resolver = resolve) -> None:
        self._transport = _PinnedTransport(get_policy, resolver)
        self._client = httpx.AsyncClient(transport=self._transport, trust_env=False, headers=_HEADERS)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def send(
        self, url: str, headers: dict[str, str], body: str, *, timeout_seconds: float, fault_job: str
    ) -> AttemptResult:
        """Try once. Never raises for what the receiver or its address causes."""
        began = monotonic()
        exchange = _Exchange()
        try:
            async with asyncio.timeout(timeout_seconds):
                fault_point("webhook.send.before_call", fault_job)
                await self._exchange(url, headers, body, timeout_seconds, exchange)
        except TimeoutError:
            exchange.fail(f"no answer within {timeout_seconds:g} s")
        except (httpx.HTTPError, httpx.InvalidURL, InvalidMedia, TransferInterrupted) as error:
            exchange.fail(_connection_error(error))
        fault_point("webhook.send.after_call", fault_job)
        return AttemptResult(
            exchange.status, exchange.error, _to_text(exchange.content), round((monotonic() - began) * 1000)
        )

    async def _exchange(
        self, url: str, headers: dict[str, str], body: str, timeout_seconds: float, exchange: "_Exchange"
    ) -> None:
        # A third for each address of the host, so that one that does not answer leaves time for the next.
        timeout = httpx.Timeout(timeout_seconds, connect=timeout_seconds / 3)
        request = self._client.build_request("POST", url, headers=headers, content=body.encode(), timeout=timeout)
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            exchange.status = response.status_code
            exchange.error = _status_error(response.status_code)
            async for chunk in response.aiter_raw():
                exchange.content += chunk[: EXCERPT_BYTES - len(exchange.content)]
                if len(exchange.content) >= EXCERPT_BYTES:
                    break
        finally:
            await response.aclose()


@dataclass(slots=True)
class _Exchange:
    """What is known so far."""

    status: int | None = None
    error: str | None = None
    content: bytes = b""

    def fail(self, error: str) -> None:
        """An answer has been decided by its status, even if the rest of it never comes."""
        if self.status is None:
            self.error = error


def _status_error(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return f"it answered {status}, a redirect, and webhooks follow none: give the final address"
    return f"it answered {status}"


def _connection_error(error: Exception) -> str:
    """For the endpoint's owner: nothing about our network."""
    if isinstance(error, UnfetchableUrl):
        return "its address does not lead to a host that anyone on the internet can reach"
    if isinstance(error, TransferInterrupted):
        return "its host name cannot be resolved now"
    if isinstance(error, httpx.TimeoutException):
        return "no connection within the time limit"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its TLS certificate is not valid: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return "it does not speak TLS as expected"
        cause = cause.__cause__ or cause.__context__
    return f"the connection failed ({type(error).__name__})"


def _to_text(content: bytes) -> str:
    """What Postgres and a page can hold."""
    text = content.decode("utf-8", "replace")
    return "".join(character if character.isprintable() or character in "\n\t" else "�" for character in text)


class _PinnedTransport(httpx.AsyncBaseTransport):
    """Resolves in a thread, checks, and connects to an address that was checked."""

    def __init__(self, get_policy: Callable[[], UrlPolicy], resolver: Resolver) -> None:
        self._get_policy = get_policy
        self._resolver = resolver
        self._executor = ThreadPoolExecutor(_RESOLVER_THREADS, thread_name_prefix="webhook name look-up")
        self._network = httpcore.AsyncConnectionPool(tls_context(), max_connections=None, max_keepalive_connections=0)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        loop, content = asyncio.get_running_loop(), await request.aread()
        addresses = await loop.run_in_executor(
            self._executor, resolve_public, request.url, self._get_policy(), self._resolver
        )
        failure: httpx.TransportError | None = None
        for address in addresses:
            try:
                with as_httpx_errors():
                    response = await self._network.handle_async_request(pin_request(request, address, content))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
            else:
                return httpx.Response(response.status, headers=response.headers, stream=_ResponseStream(response))
        raise failure or UnfetchableUrl("the name has no address")

    async def aclose(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)
        await self._network.aclose()


class _ResponseStream(httpx.AsyncByteStream):
    """A response's content, in chunks."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with as_httpx_errors():
            async for chunk in self._response.aiter_stream():
                yield chunk

    async def aclose(self) -> None:
        await self._response.aclose()
