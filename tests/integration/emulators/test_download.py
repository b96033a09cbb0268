"""How the emulators download their inputs."""

import asyncio
from pathlib import Path

import pytest

from deployments.local.emulators import download

JOBS = 150  # more than httpx has connections


async def _serve_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A file that takes longer than the emulator's timeout for a silent server."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\n")
    for _ in range(8):
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.2)
    writer.close()


def _file_contents(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.iterdir()]


async def test_150_concurrent_jobs_all_fetch_their_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "HTTP_TIMEOUT", 1.0)
    server = await asyncio.start_server(_serve_slowly, "127.0.0.1", 0, backlog=JOBS)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/film.mp4"
    async with server, download.create_http_client() as network:
        await asyncio.gather(*(download.download(network, url, tmp_path / str(job)) for job in range(JOBS)))
    assert _file_contents(tmp_path) == [b"." * 8] * JOBS
