"""Reads a vendor's whole response, with limits for its size, also decompressed, and its duration.

Violations are raised as httpx's errors for a request that was sent, so that a paid call with such a response has an
unknown outcome (`videojobs.providers.http`).
"""

import asyncio
import zlib
from typing import Final, cast

import httpx

MAX_RESPONSE_BYTES: Final = 16 * 1024**2
"""Of a decompressed response: a hundred generations, the longest list that we request, have a hundredth of it."""

_GZIP: Final = 16 + zlib.MAX_WBITS  # zlib's value for: decompress gzip, and nothing else
_TRANSFER_HEADERS: Final = (
    "content-encoding",
    "content-length",
    "transfer-encoding",
)  # the content no longer matches them


class BoundedResponseTransport(httpx.AsyncBaseTransport):
    """Returns responses with their content, each within `seconds` of the beginning of its request.

    `seconds` must exceed all time-outs of `network` for sending a request; otherwise a time-out would not tell whether
    the request was sent.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, timeout_seconds: float) -> None:
        self._transport = transport
        self._timeout_seconds = timeout_seconds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._transport.handle_async_request(request)
                try:
                    content = await _read_content(response, request)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            message = f"no complete response within {self._timeout_seconds:.0f} s"
            raise httpx.ReadTimeout(message, request=request) from error
        headers = [(name, value) for name, value in response.headers.multi_items() if name not in _TRANSFER_HEADERS]
        return httpx.Response(response.status_code, headers=headers, content=content, extensions=response.extensions)

    async def aclose(self) -> None:
        await self._transport.aclose()


async def _read_content(response: httpx.Response, request: httpx.Request) -> bytes:
    content = bytearray()
    async for chunk in cast("httpx.AsyncByteStream", response.stream):
        content += chunk
        if len(content) > MAX_RESPONSE_BYTES:
            raise _too_large_error(request)
    return _decompress(bytes(content), response.headers.get("content-encoding", ""), request)


def _decompress(content: bytes, encoding: str, request: httpx.Request) -> bytes:
    """We request uncompressed responses. Some servers compress anyway; for a paid call, that is accepted."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity") or not content:
        return content
    if encoding != "gzip":
        raise httpx.DecodingError("the response has a compression that was not requested", request=request)
    decompressor = zlib.decompressobj(_GZIP)
    try:
        whole = decompressor.decompress(content, MAX_RESPONSE_BYTES + 1)
    except zlib.error as error:
        raise httpx.DecodingError(f"the response cannot be decompressed: {error}", request=request) from error
    if len(whole) > MAX_RESPONSE_BYTES:
        raise _too_large_error(request)
    return whole


def _too_large_error(request: httpx.Request) -> httpx.DecodingError:
    return httpx.DecodingError(f"the response has more than {MAX_RESPONSE_BYTES / 1e6:.0f} MB", request=request)
