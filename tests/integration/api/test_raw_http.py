"""Raw HTTP: request heads that no client library sends."""

import asyncio
import re

import pytest

from tests.integration.api.conftest import ApiServer
from tests.support.attack_table import FORM_TYPE
from tests.support.multipart_forms import PROCESS_URL


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
async def test_malformed_http_is_rejected(api: ApiServer, head: str) -> None:
    assert await send_raw_head(api, head) in (400, 401)


async def send_raw_head(api: ApiServer, head: str) -> int:
    """Send these bytes, then only wait; gives the response."""
    host, port = api.base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(head.encode())
    async with asyncio.timeout(10):
        status = await reader.readline()
    writer.close()
    return int(status.split()[1])


@pytest.mark.parametrize("expects", ["", "Expect: 100-continue\r\n"])
async def test_a_form_announced_as_60_gb_is_rejected_before_upload(api: ApiServer, user: str, expects: str) -> None:
    head = (
        f"POST {PROCESS_URL} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM_TYPE['Content-Type']}\r\n{expects}"
        f"Authorization: Bearer {await api.create_token(user)}\r\nContent-Length: {60 * 1024**3}\r\n\r\n"
    )
    assert await send_raw_head(api, head) == 413


async def test_a_client_rejected_mid_upload_gets_the_response(api: ApiServer) -> None:
    host, port = api.base_url.removeprefix("http://").split(":")
    body = b"x" * 500_000
    reader, writer = await asyncio.open_connection(host, int(port))
    for _ in range(2):
        writer.write(f"POST {PROCESS_URL} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        async with asyncio.timeout(10):
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 401 ")
            [length] = re.findall(rb"content-length: (\d+)", head.lower())
            await reader.readexactly(int(length))
    writer.close()
