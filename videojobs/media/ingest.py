"""Ingests files: a request's inputs, and vendors' results into the store.

Each transfer is one thread that reads the network and writes the file or the store, since boto3 is not async.
"""

import asyncio
import math
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from threading import Event
from typing import BinaryIO, Final, TypeVar
from urllib.parse import unquote

from videojobs.errors import InvalidMedia, TransferInterrupted
from videojobs.media.http_download import Download, open_download, too_large_error
from videojobs.media.pinned_transport import Resolver, UnfetchableUrl, resolve, ssrf_safe_client
from videojobs.media.temp_dirs import temporary_dir
from videojobs.media.transfer_pace import TransferWatchdog
from videojobs.media.url_policy import UrlPolicy
from videojobs.settings import LinkSettings
from videojobs.storage.checked_stream import LengthCheckedStream
from videojobs.storage.object_store import ObjectStore, StoredObject

T = TypeVar("T")

# Own threads: a transfer takes minutes, and asyncio's few shared ones also resolve all host names.
# A waiting thread costs next to nothing, and each of a worker's 16 starting runs fetches one file at a time; slow links
# of clients must leave room for others.
_INPUT_POOL: Final = ThreadPoolExecutor(max_workers=32, thread_name_prefix="input")
# Paid results and files in our own storage never wait for a client's link. Each transfer takes 24 MiB of memory.
_STORAGE_POOL: Final = ThreadPoolExecutor(max_workers=8, thread_name_prefix="transfer")
_CHUNK_BYTES: Final = 1024**2  # bytes written to a file at a time
_UNSUPPORTED_SOURCE: Final = "files from this location are not accepted; use s3://bucket/key or an https link"


class ExpiredUrl(TransferInterrupted):
    """A vendor's result URL does not return the result (any more): request a new URL, then retry."""


@asynccontextmanager
async def fetch_to_temp(
    source: str,
    *,
    max_bytes: float = math.inf,
    policy: UrlPolicy = UrlPolicy(),  # noqa: B008  # frozen
    allow_files: bool = False,
    resolver: Resolver = resolve,
) -> AsyncIterator[Path]:
    """An input as a local file: from `https://`, and if allowed `http://`, `file://` or an absolute path.

    A local file is used in its place; anything else becomes a temporary file, deleted at the end of the block.
    Raises InvalidMedia with what to do, or TransferInterrupted.
    """
    match _scheme(source):
        case "https" | "http":
            fetch = partial(_download_url, source, policy, resolver, max_bytes)
        case "" | "file" if allow_files:
            yield await asyncio.to_thread(_local_file, source, max_bytes)
            return
        case _:
            raise InvalidMedia(_UNSUPPORTED_SOURCE)
    with temporary_dir() as folder:
        path = folder / "input"
        await _run_in_pool(_INPUT_POOL, partial(fetch, path))
        yield path


async def fetch_to_dir(
    source: str, folder: Path, store: ObjectStore, *, max_bytes: float, policy: UrlPolicy, allow_files: bool = False
) -> Path:
    """An input as a local file, for work that reads it more than once: in `folder`, or a local file in its place.

    Also from storage. Raises InvalidMedia with what to do, or TransferInterrupted.
    """
    path = folder / "input"
    match _scheme(source):
        case "s3":
            await _run_in_pool(_STORAGE_POOL, partial(_download_object, source, store, max_bytes, path))
        case "https" | "http":
            await _run_in_pool(_INPUT_POOL, partial(_download_url, source, policy, resolve, max_bytes, path))
        case "" | "file" if allow_files:
            return await asyncio.to_thread(_local_file, source, max_bytes)
        case _:
            raise InvalidMedia(_UNSUPPORTED_SOURCE)
    return path


async def download_objects(store: ObjectStore, files: Mapping[str, Path]) -> None:
    """Download objects by key to files, each atomically. Raises InvalidMedia."""

    def download_all(stop: Event) -> None:
        for key, path in files.items():
            part = path.with_name(f"{path.name}.part")
            _download_object(store.uri(key), store, math.inf, part, stop)
            part.replace(path)

    await _run_in_pool(_STORAGE_POOL, download_all)


def is_s3_uri(source: str) -> bool:
    """Whether an input is in storage: it is then read and presigned in place, and not copied."""
    return _scheme(source) == "s3"


def open_s3(source: str, store: ObjectStore, max_bytes: float) -> BinaryIO:
    """An input in storage, in any bucket that the credentials of `store` can read. Blocks.

    Raises InvalidMedia with what to do, or TransferInterrupted.
    """
    owner, key = store.resolve_uri(source)
    file = owner.open(key)
    if file.seek(0, os.SEEK_END) > max_bytes:
        raise too_large_error(max_bytes)
    file.seek(0)
    return file


async def stream_url_to_store(
    url: str,
    store: ObjectStore,
    key: str,
    *,
    content_type: str,
    policy: UrlPolicy,
    max_bytes: float = math.inf,
) -> StoredObject:
    """Stream a vendor's result into the store, with a few parts in memory; stores all of it or nothing.

    Raises ExpiredUrl if the URL returns no file, InvalidMedia for more than `max_bytes`, and TransferInterrupted for
    an interrupted transfer.
    """

    def stream(stop: Event) -> StoredObject:
        with _open_url(url, policy, resolve, max_bytes, stop) as incoming:
            return store.put_stream(key, incoming.chunks, content_type, expected_length=incoming.length)

    try:
        return await _run_in_pool(_STORAGE_POOL, stream)
    except UnfetchableUrl as error:
        raise ExpiredUrl(f"the result cannot be fetched: {error}") from error


def _scheme(source: str) -> str:
    """The text before the first colon; empty for a path, which may contain colons later."""
    scheme, colon, _ = source.partition(":")
    return scheme.lower() if colon and "/" not in scheme else ""


async def _run_in_pool(pool: ThreadPoolExecutor, work: Callable[[Event], T]) -> T:
    """Run a transfer, and stop it when the caller is cancelled."""
    stop = Event()
    try:
        in_context = partial(copy_context().run, work, stop)
        return await asyncio.get_running_loop().run_in_executor(pool, in_context)
    finally:
        stop.set()


def _stop_when_set(stop: Event, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if stop.is_set():
            raise TransferInterrupted("the transfer was stopped")
        yield chunk


@contextmanager
def _open_url(url: str, policy: UrlPolicy, resolver: Resolver, max_bytes: float, stop: Event) -> Iterator[Download]:
    """A URL, without any vendor's credentials: results are on other hosts."""
    watchdog = TransferWatchdog(LinkSettings.current(), max_bytes, stop)
    with (
        ssrf_safe_client(policy, watchdog, resolver=resolver) as http,
        open_download(http, url, max_bytes=max_bytes, allow_http=policy.allow_http) as incoming,
    ):
        yield incoming


def _download_url(url: str, policy: UrlPolicy, resolver: Resolver, max_bytes: float, path: Path, stop: Event) -> None:
    with _open_url(url, policy, resolver, max_bytes, stop) as incoming:
        _write_chunks(path, incoming.chunks, incoming.length)


def _download_object(source: str, store: ObjectStore, max_bytes: float, path: Path, stop: Event) -> None:
    with open_s3(source, store, max_bytes) as file:
        _write_chunks(path, _stop_when_set(stop, iter(partial(file.read, _CHUNK_BYTES), b"")), None)


def _write_chunks(path: Path, chunks: Iterator[bytes], expected_length: int | None) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(LengthCheckedStream(chunks, expected_length, name="stream.fetch"), file, _CHUNK_BYTES)


def _local_file(source: str, max_bytes: float) -> Path:
    """A regular file of this machine. Reading a device or pipe might never end."""
    path = Path(unquote(source[len("file:") :].removeprefix("//")) if _scheme(source) else source)
    if not path.is_absolute():
        raise InvalidMedia("use the absolute path of the file, beginning with /")
    try:
        if not path.is_file():
            raise InvalidMedia("there is no such file; correct its path")
        if path.stat().st_size > max_bytes:
            raise too_large_error(max_bytes)
        path.open("rb").close()
    except OSError as error:
        raise InvalidMedia(f"the file cannot be read ({error.strerror}); change its permissions") from error
    return path
