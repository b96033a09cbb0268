"""API clients in a separate process: `python -m tests.benchmarks.upload_client ADDRESS COUNT BYTES`.

All send at once, each in a thread that sends prepared blocks: real clients run on other machines, so they should cost
little here. Prints the job ids and the seconds as JSON. The token is in `VIDEOJOBS_TOKEN`.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Final
from urllib.parse import urlsplit

BOUNDARY: Final = "bench"
_PATH: Final = "/api/v1/video-editors/pro-sync-process"
_SEGMENTS: Final = json.dumps([{"startTime": 0, "endTime": 1, "audioInput": {"refId": "audio-1"}}])
_MP4_HEADER: Final = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"
_WAV_FILE: Final = b"RIFF\x24\0\0\0WAVEfmt " + bytes(1000)
_BLOCK: Final = os.urandom(1024**2)
_TIMEOUT: Final = 600  # seconds


def _part_header(name: str, file_name: str = "") -> bytes:
    file = f'; filename="{file_name}"' if file_name else ""
    return f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()


_BODY_PREFIX: Final = (
    _part_header("segments_data")
    + _SEGMENTS.encode()
    + _part_header("audio_files", "a.wav")
    + _WAV_FILE
    + _part_header("file", "v.mp4")
)
_BODY_SUFFIX: Final = f"\r\n--{BOUNDARY}--\r\n".encode()


def _request_body(size: int) -> Iterator[bytes]:
    """A video of this size, generated while it is sent."""
    yield _BODY_PREFIX + _MP4_HEADER
    left = size - len(_MP4_HEADER)
    while left > 0:
        yield _BLOCK[:left]
        left -= len(_BLOCK)
    yield _BODY_SUFFIX


def _upload(address: str, size: int) -> str:
    headers = {
        "Authorization": f"Bearer {os.environ['VIDEOJOBS_TOKEN']}",
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        "Content-Length": str(len(_BODY_PREFIX) + size + len(_BODY_SUFFIX)),
    }
    connection = HTTPConnection(urlsplit(address).netloc, timeout=_TIMEOUT)
    connection.request("POST", _PATH, body=_request_body(size), headers=headers)
    answer = connection.getresponse()
    payload = json.loads(answer.read())
    if answer.status != 202:
        raise RuntimeError(f"{answer.status}: {payload}")
    job_id: str = payload["job_id"]
    return job_id


def main(address: str, count: int, size: int) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(max_workers=count) as clients:
        jobs = list(clients.map(lambda _: _upload(address, size), range(count)))
    print(json.dumps({"jobs": jobs, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
