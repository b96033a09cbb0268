"""A vendor's answer is read whole, but not at any size, nor for ever, nor unpacked into more than it may have.

Whatever is wrong with it is raised as one of httpx's errors for a request that was sent, so that a paid call that is
answered so has an unknown outcome (`videojobs.vendors.http`).
"""

import asyncio
import zlib
from typing import Final, cast

import httpx

MOST_BYTES: Final = 16 * 1024**2
"""Of an answer, unpacked: a hundred generations, the longest list that is asked for, have a hundredth of that."""

_GZIP: Final = 16 + zlib.MAX_WBITS  # zlib's way to say that gzip, and nothing else, is to be unpacked
_OF_THE_WAY: Final = (
    "content-encoding",
    "content-length",
    "transfer-encoding",
)  # headers; the content no longer has it


class WholeAnswers(httpx.AsyncBaseTransport):
    """Hands over answers with their content, each within `seconds` from the beginning of its request.

    They are to be longer than all waits of `network` until a request is sent, or a time-out would not tell whether it
    was.
    """

    def __init__(self, network: httpx.AsyncBaseTransport, seconds: float) -> None:
        self._network = network
        self._seconds = seconds

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._network.handle_async_request(request)
                try:
                    content = await _content(answer, request)
                finally:
                    await answer.aclose()
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"no whole answer within {self._seconds:.0f} s", request=request) from error
        headers = [(name, value) for name, value in answer.headers.multi_items() if name not in _OF_THE_WAY]
        return httpx.Response(answer.status_code, headers=headers, content=content, extensions=answer.extensions)

    async def aclose(self) -> None:
        await self._network.aclose()


async def _content(answer: httpx.Response, request: httpx.Request) -> bytes:
    content = bytearray()
    async for piece in cast("httpx.AsyncByteStream", answer.stream):
        content += piece
        if len(content) > MOST_BYTES:
            raise _too_large(request)
    return _unpacked(bytes(content), answer.headers.get("content-encoding", ""), request)


def _unpacked(content: bytes, coding: str, request: httpx.Request) -> bytes:
    """Answers are asked for unpacked; some servers pack them all the same, and with money at stake that is taken."""
    coding = coding.strip().lower()
    if coding in ("", "identity") or not content:
        return content
    if coding != "gzip":
        raise httpx.DecodingError("the answer is packed in a way that was not asked for", request=request)
    unpacker = zlib.decompressobj(_GZIP)
    try:
        whole = unpacker.decompress(content, MOST_BYTES + 1)
    except zlib.error as error:
        raise httpx.DecodingError(f"the answer cannot be unpacked: {error}", request=request) from error
    if len(whole) > MOST_BYTES:
        raise _too_large(request)
    return whole


def _too_large(request: httpx.Request) -> httpx.DecodingError:
    return httpx.DecodingError(f"the answer has more than {MOST_BYTES / 1e6:.0f} MB", request=request)
