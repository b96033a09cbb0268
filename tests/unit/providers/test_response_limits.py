"""Limits for a vendor's response, whatever its headers claim. One over the limits proves nothing about the purchase."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.support.scripted_vendor import ScriptedVendor
from videojobs.errors import OutcomeUnknown, VendorUnavailable
from videojobs.providers.http import send, vendor_http_client
from videojobs.providers.response_limits import MAX_RESPONSE_BYTES


def compressed_reply(content: bytes, *codings: str, times: int = 1) -> Callable[[httpx.Request], httpx.Response]:
    """Respond with a stream, as a server does: httpx would decompress a response made of bytes at once."""
    for _ in range(times):
        content = gzip.compress(content)

    async def stream() -> AsyncIterator[bytes]:
        yield content

    return lambda _: httpx.Response(200, headers={"Content-Encoding": ", ".join(codings)}, content=stream())


async def send_buy_request(vendor: ScriptedVendor, *, paid: bool = True) -> httpx.Response:
    async with vendor_http_client("https://vendor.test", transport=vendor.transport()) as http:
        return await send(http, http.build_request("POST", "/buy"), vendor="Vendor", call="vendor.buy", paid=paid)


async def test_responses_are_requested_uncompressed() -> None:
    vendor = ScriptedVendor(httpx.Response(200))
    await send_buy_request(vendor)
    assert vendor.request.headers["accept-encoding"] == "identity"


async def test_an_unrequested_compressed_response_is_read() -> None:
    answer = await send_buy_request(ScriptedVendor(compressed_reply(b'{"id": "1"}', "gzip")))
    assert answer.json() == {"id": "1"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (compressed_reply(bytes(MAX_RESPONSE_BYTES + 1), "gzip"), "more than 17 MB"),
        (compressed_reply(bytes(MAX_RESPONSE_BYTES), *["gzip"] * 3, times=3), "compression that was not requested"),
        (compressed_reply(b"{}", "deflate"), "compression that was not requested"),
        (compressed_reply(b"{}", "gzip", times=0), "cannot be decompressed"),
    ],
    ids=["a bomb", "packed three times", "packed otherwise", "not packed at all"],
)
@pytest.mark.parametrize("paid", [True, False])
async def test_an_answer_too_large_to_unpack_counts_as_none(
    answer: Callable[[httpx.Request], httpx.Response], words: str, paid: bool
) -> None:
    with pytest.raises(OutcomeUnknown if paid else VendorUnavailable, match=words):
        await send_buy_request(ScriptedVendor(answer), paid=paid)


async def test_an_endless_answer_is_aborted() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1024**2
            yield bytes(1024**2)

    with pytest.raises(OutcomeUnknown, match="more than 17 MB"):
        await send_buy_request(ScriptedVendor(httpx.Response(200, content=endless())))
    assert read == MAX_RESPONSE_BYTES + 1024**2


@asynccontextmanager
async def trickling_server(start: bytes, repeated: bytes, client_left: asyncio.Event) -> AsyncIterator[str]:
    """A vendor that responds without end, a little at a time, and notices when the client disconnects."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + start)
        try:
            while True:
                writer.write(repeated)
                await writer.drain()
                await asyncio.sleep(0.01)  # between two chunks
        except ConnectionError:
            client_left.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("start", "drip"), [(b"\r\n", b"."), (b"", b"X-Drip: 1\r\n")], ids=["its content", "its headers"]
)
async def test_a_trickling_answer_is_aborted_and_disconnected(start: bytes, drip: bytes) -> None:
    left = asyncio.Event()
    async with trickling_server(start, drip, left) as address, vendor_http_client(address, answer_seconds=0.2) as http:
        with pytest.raises(OutcomeUnknown, match="no complete response within"):
            await send(http, http.build_request("POST", "/buy"), vendor="Vendor", call="vendor.buy", paid=True)
        await asyncio.wait_for(left.wait(), 5)
