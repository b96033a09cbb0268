"""Downloads a job's source files as a vendor does: by URL, without credentials."""

import asyncio
import socket
from pathlib import Path

import httpx

HTTP_TIMEOUT = 10.0  # sources and callbacks are on this machine or nearby


class UnresolvableUrl(Exception):
    """The URL is malformed, or its host is unknown."""


class DownloadFailed(Exception):
    """The host did not send the file."""


def create_http_client() -> httpx.AsyncClient:
    """For sources and callbacks. Without the environment's proxies, since these hosts are local.

    No timeout for a free connection: hundreds of jobs may share httpx's 100 connections.
    """
    timeout = httpx.Timeout(HTTP_TIMEOUT, pool=None)
    return httpx.AsyncClient(timeout=timeout, follow_redirects=True, trust_env=False)


async def download(http_client: httpx.AsyncClient, url: str, target: Path) -> None:
    """Stream the file to `target`. Raises UnresolvableUrl or DownloadFailed."""
    try:
        location = httpx.URL(url)
        if location.scheme not in ("http", "https") or not location.host:
            raise UnresolvableUrl(url)
        await asyncio.get_running_loop().getaddrinfo(location.host, None)
    except (httpx.InvalidURL, socket.gaierror, UnicodeError) as error:
        raise UnresolvableUrl(url) from error
    try:
        async with http_client.stream("GET", location) as answer:
            answer.raise_for_status()
            with target.open("wb") as file:
                async for chunk in answer.aiter_bytes():
                    file.write(chunk)
    except httpx.HTTPError as error:
        raise DownloadFailed(f"{url}: {error}") from error
