"""Below HTTP's surface: heads that no client library sends."""

import asyncio
import re

import pytest

from tests.gateway.attacking import FORM_TYPE
from tests.gateway.conftest import OpenDoor
from tests.gateway.forms import PROCESS


@pytest.mark.parametrize(
    "head",
    [
        "GET /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /",
        "GET /api/v1/jobs HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\0d\r\n\r\n",
        "POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "GET /api/v1/jobs HTTP/9.9\r\n\r\n",
        "G" * 100_000,
    ],
    ids=["two lengths", "control characters", "less than nothing", "no HTTP", "an endless line"],
)
async def test_what_is_no_http_gets_no_further(door: OpenDoor, head: str) -> None:
    assert await status_of(door, head) in (400, 401)


async def status_of(door: OpenDoor, head: str) -> int:
    """Of the answer to these bytes, after which the client only waits."""
    host, port = door.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode())
    async with asyncio.timeout(10):
        status = await reader.readline()
    writer.close()
    return int(status.split()[1])


@pytest.mark.parametrize("expects", ["", "Expect: 100-continue\r\n"])
async def test_a_form_that_says_it_has_60_gb_is_refused_before_it_is_sent(
    door: OpenDoor, user: str, expects: str
) -> None:
    head = (
        f"POST {PROCESS} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM_TYPE['Content-Type']}\r\n{expects}"
        f"Authorization: Bearer {await door.token(user)}\r\nContent-Length: {60 * 1024**3}\r\n\r\n"
    )
    assert await status_of(door, head) == 413


async def test_who_is_refused_while_still_sending_sees_the_answer_and_may_ask_again(door: OpenDoor) -> None:
    host, port = door.address.removeprefix("http://").split(":")
    body = b"x" * 500_000
    reader, writer = await asyncio.open_connection(host, int(port))
    for _ in range(2):
        writer.write(f"POST {PROCESS} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        async with asyncio.timeout(10):
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 401 ")
            [length] = re.findall(rb"content-length: (\d+)", head.lower())
            await reader.readexactly(int(length))
    writer.close()
