"""Downloads a job's source files, as a vendor does: by their URL, without any login."""

import asyncio
import socket
from pathlib import Path

import httpx

NETWORK_SECONDS = 10.0  # sources and callbacks are on this machine or nearby


class Unresolvable(Exception):
    """The URL is none, or its host is unknown."""


class NotFetched(Exception):
    """The host did not hand over the file."""


def open_network() -> httpx.AsyncClient:
    """For sources and callbacks. Proxies of the surroundings are for the internet; these are local.

    Whose turn it is not yet waits as long as it takes: jobs may come by the hundred, and httpx has 100 connections.
    """
    patience = httpx.Timeout(NETWORK_SECONDS, pool=None)
    return httpx.AsyncClient(timeout=patience, follow_redirects=True, trust_env=False)


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
