"""One copy of a vendor's result into storage, in a separate process; prints its measurements as JSON.

python -m tests.benchmarks.baselines.copy_once ours|plain URL KEY
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from deployments.server.environment import Environment
from deployments.server.storage import object_store_from_env, storage_block
from videojobs.media.ingest import stream_url_to_store
from videojobs.media.url_policy import UrlPolicy
from videojobs.storage.object_store import ObjectStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_STATUS: Final = Path("/proc/self/status")


def _read_memory(field: str) -> int:
    """Memory in bytes: VmRSS is the current value, VmHWM the peak since the last reset."""
    [line] = [line for line in _STATUS.read_text().splitlines() if line.startswith(f"{field}:")]
    return int(line.split()[1]) * 1024


def _reset_peak() -> None:
    """Reset the peak, VmHWM (proc(5))."""
    Path("/proc/self/clear_refs").write_text("5")


async def copy_streamed(store: ObjectStore, url: str, key: str) -> None:
    await stream_url_to_store(
        url, store, key, content_type="video/mp4", policy=UrlPolicy(allow_private=True, allow_http=True)
    )


async def copy_via_file(store: ObjectStore, url: str, key: str) -> None:
    """The straightforward implementation: download into a file, then upload the file."""
    with tempfile.NamedTemporaryFile() as file:
        async with httpx.AsyncClient(timeout=60) as http, http.stream("GET", url) as answer:
            async for chunk in answer.raise_for_status().aiter_bytes():
                file.write(chunk)
        file.flush()
        await asyncio.to_thread(_s3_client().upload_file, file.name, store.bucket, key)


def _s3_client() -> "S3Client":
    """A plain boto3 client, configured like the product's."""
    block = storage_block(Environment())
    assert block is not None  # the stack names a bucket
    client: S3Client = block.credentials.get_client("s3")
    return client


COPY_METHODS: Final[dict[str, Callable[[ObjectStore, str, str], Awaitable[None]]]] = {
    "ours": copy_streamed,
    "plain": copy_via_file,
}


async def main(way: str, url: str, key: str) -> None:
    store = object_store_from_env(os.environ)
    store.head(key)  # the client's first request loads its data
    idle = _read_memory("VmRSS")
    _reset_peak()
    began = time.monotonic()
    await COPY_METHODS[way](store, url, key)
    seconds = time.monotonic() - began
    print(json.dumps({"seconds": seconds, "peak": _read_memory("VmHWM") - idle}))  # the result


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
