"""Clients of the front door, in a process of their own: `python -m bench.sending ADDRESS COUNT BYTES`.

All send at once. Prints as JSON the ids of the jobs, and the seconds that each client waited. The token is in
`VIDEOJOBS_TOKEN`.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Final

import httpx

BOUNDARY: Final = "bench"
_SEGMENTS: Final = json.dumps([{"startTime": 0, "endTime": 1, "audioInput": {"refId": "audio-1"}}])
_HEAD: Final = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"
_SOUND: Final = b"RIFF\x24\0\0\0WAVEfmt " + bytes(1000)
_BLOCK: Final = os.urandom(65_536)


def _part(name: str, file_name: str = "") -> bytes:
    file = f'; filename="{file_name}"' if file_name else ""
    return f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()


async def _form(size: int) -> AsyncIterator[bytes]:
    """A video of so many bytes, made as it is sent."""
    yield _part("segments_data") + _SEGMENTS.encode() + _part("audio_files", "a.wav") + _SOUND + _part("file", "v.mp4")
    yield _HEAD
    left = size - len(_HEAD)
    while left > 0:
        yield _BLOCK[:left]
        left -= len(_BLOCK)
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


async def _send(http: httpx.AsyncClient, size: int) -> tuple[str, float]:
    began = time.monotonic()
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = await http.post("/api/v1/video-editors/pro-sync-process", content=_form(size), headers=headers)
    answer.raise_for_status()
    return answer.json()["job_id"], time.monotonic() - began


async def main(address: str, count: int, size: int) -> None:
    headers = {"Authorization": f"Bearer {os.environ['VIDEOJOBS_TOKEN']}"}
    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=600, limits=limits) as http:
        began = time.monotonic()
        sent = await asyncio.gather(*(_send(http, size) for _ in range(count)))
    seconds = time.monotonic() - began
    print(json.dumps({"jobs": [job for job, _ in sent], "waits": [wait for _, wait in sent], "seconds": seconds}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
