"""A vendor's answer has bounds, whatever it says, and one that breaks them tells nothing about what was bought."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.unit.vendors.scripted import ScriptedVendor
from videojobs.errors import OutcomeUnknown, VendorUnavailable
from videojobs.vendors.answers import MOST_BYTES
from videojobs.vendors.http import send, vendor_http


def packed(content: bytes, *codings: str, times: int = 1) -> Callable[[httpx.Request], httpx.Response]:
    """Answers with it, as a server sends it: a response that httpx makes of bytes would be unpacked at once."""
    for _ in range(times):
        content = gzip.compress(content)

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    return lambda _: httpx.Response(200, headers={"Content-Encoding": ", ".join(codings)}, content=pieces())


async def bought(vendor: ScriptedVendor, *, paid: bool = True) -> httpx.Response:
    async with vendor_http("https://vendor.test", transport=vendor.transport()) as http:
        return await send(http, http.build_request("POST", "/buy"), vendor="Vendor", call="vendor.buy", paid=paid)


async def test_answers_are_asked_for_unpacked() -> None:
    vendor = ScriptedVendor(httpx.Response(200))
    await bought(vendor)
    assert vendor.request.headers["accept-encoding"] == "identity"


async def test_an_answer_that_is_packed_all_the_same_is_read() -> None:
    answer = await bought(ScriptedVendor(packed(b'{"id": "1"}', "gzip")))
    assert answer.json() == {"id": "1"}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (packed(bytes(MOST_BYTES + 1), "gzip"), "more than 17 MB"),
        (packed(bytes(MOST_BYTES), *["gzip"] * 3, times=3), "packed in a way that was not asked for"),
        (packed(b"{}", "deflate"), "packed in a way that was not asked for"),
        (packed(b"{}", "gzip", times=0), "cannot be unpacked"),
    ],
    ids=["a bomb", "packed three times", "packed otherwise", "not packed at all"],
)
@pytest.mark.parametrize("paid", [True, False])
async def test_an_answer_that_cannot_be_unpacked_within_bounds_counts_as_none(
    answer: Callable[[httpx.Request], httpx.Response], words: str, paid: bool
) -> None:
    with pytest.raises(OutcomeUnknown if paid else VendorUnavailable, match=words):
        await bought(ScriptedVendor(answer), paid=paid)


async def test_an_answer_without_an_end_is_not_read_to_its_end() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1024**2
            yield bytes(1024**2)

    with pytest.raises(OutcomeUnknown, match="more than 17 MB"):
        await bought(ScriptedVendor(httpx.Response(200, content=endless())))
    assert read == MOST_BYTES + 1024**2


@asynccontextmanager
async def dripping(start: bytes, drip: bytes, left: asyncio.Event) -> AsyncIterator[str]:
    """A vendor that answers for ever, a little at a time, and notices when nobody listens any more."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + start)
        try:
            while True:
                writer.write(drip)
                await writer.drain()
                await asyncio.sleep(0.01)  # between two drips
        except ConnectionError:
            left.set()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    ("start", "drip"), [(b"\r\n", b"."), (b"", b"X-Drip: 1\r\n")], ids=["its content", "its headers"]
)
async def test_an_answer_that_drips_is_given_up_and_its_connection_closed(start: bytes, drip: bytes) -> None:
    left = asyncio.Event()
    async with dripping(start, drip, left) as address, vendor_http(address, answer_seconds=0.2) as http:
        with pytest.raises(OutcomeUnknown, match="no whole answer within"):
            await send(http, http.build_request("POST", "/buy"), vendor="Vendor", call="vendor.buy", paid=True)
        await asyncio.wait_for(left.wait(), 5)
