"""Downloads a job's source files, as a vendor does: by their URL, without any login."""

import asyncio
import socket
from pathlib import Path

import httpx


class Unresolvable(Exception):
    """The URL is none, or its host is unknown."""


class NotFetched(Exception):
    """The host did not hand over the file."""


async def fetch(network: httpx.AsyncClient, url: str, target: Path) -> None:
    """Stream the file to `target`. Raises Unresolvable or NotFetched."""
    try:
        location = httpx.URL(url)
        if location.scheme not in ("http", "https") or not location.host:
            raise Unresolvable(url)
        await asyncio.get_running_loop().getaddrinfo(location.host, None)
    except (httpx.InvalidURL, socket.gaierror, UnicodeError) as error:
        raise Unresolvable(url) from error
    try:
        async with network.stream("GET", location) as answer:
            answer.raise_for_status()
            with target.open("wb") as file:
                async for chunk in answer.aiter_bytes():
                    file.write(chunk)
    except httpx.HTTPError as error:
        raise NotFetched(f"{url}: {error}") from error
