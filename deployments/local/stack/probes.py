"""Readiness probes."""

import asyncio
from contextlib import suppress

import httpx

from deployments.local.stack.data_dir import HOST


async def is_listening(port: int) -> bool:
    """Whether a server accepts connections on this port."""
    with suppress(OSError):
        _, writer = await asyncio.open_connection(HOST, port)
        writer.close()
        return True
    return False


async def is_healthy(url: str) -> bool:
    """Whether this URL returns 200."""
    with suppress(httpx.HTTPError):
        async with httpx.AsyncClient(trust_env=False, timeout=5) as client:  # a proxy does not lead to this machine
            return (await client.get(url)).status_code == httpx.codes.OK
    return False
