"""A vendor's answer is read whole, but not at any size, nor for ever, nor unpacked into more than it may have.

Whatever is wrong with it is raised as one of httpx's errors for a request that was sent, so that a paid call that is
answered so has an unknown outcome (`videojobs.providers.http`).
"""

import asyncio
import zlib
from typing import Final, cast

import httpx

MAX_RESPONSE_BYTES: Final = 16 * 1024**2
"""Of an answer, unpacked: a hundred generations, the longest list that is asked for, have a hundredth of that."""

_GZIP: Final = 16 + zlib.MAX_WBITS  # zlib's way to say that gzip, and nothing else, is to be unpacked
_TRANSFER_HEADERS: Final = (
    "content-encoding",
    "content-length",
    "transfer-encoding",
)  # headers; the content no longer has it


class BoundedResponseTransport(httpx.AsyncBaseTransport):
    """Hands over answers with their content, each within `seconds` from the beginning of its request.

    They are to be longer than all waits of `network` until a request is sent, or a time-out would not tell whether it
    was.
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
            raise httpx.ReadTimeout(f"no whole answer within {self._timeout_seconds:.0f} s", request=request) from error
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
    """Answers are asked for unpacked; some servers pack them all the same, and with money at stake that is taken."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity") or not content:
        return content
    if encoding != "gzip":
        raise httpx.DecodingError("the answer is packed in a way that was not asked for", request=request)
    decompressor = zlib.decompressobj(_GZIP)
    try:
        whole = decompressor.decompress(content, MAX_RESPONSE_BYTES + 1)
    except zlib.error as error:
        raise httpx.DecodingError(f"the answer cannot be unpacked: {error}", request=request) from error
    if len(whole) > MAX_RESPONSE_BYTES:
        raise _too_large_error(request)
    return whole


def _too_large_error(request: httpx.Request) -> httpx.DecodingError:
    return httpx.DecodingError(f"the answer has more than {MAX_RESPONSE_BYTES / 1e6:.0f} MB", request=request)
