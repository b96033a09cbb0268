"""Bringing files in: inputs from wherever the request says they are, and vendors' results into the store.

Each transfer is one thread that reads the network and writes the file or the store, since boto3 knows no async.
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
from videojobs.media.metered import Metered
from videojobs.media.pace import Pace
from videojobs.media.pinned import LinkRefused, LookUp, guarded_http, look_up
from videojobs.media.reach import Reach
from videojobs.media.scratch import scratch_folder
from videojobs.media.store import ObjectStore, StoredObject
from videojobs.media.web import Download, download, too_large
from videojobs.settings import Links

T = TypeVar("T")

# Threads of their own: a transfer takes minutes, and asyncio's few shared ones also look up host names for everybody.
# A thread that waits costs next to nothing, and of the 16 runs that a worker begins at once each fetches one file at a
# time; clients' links that are slow, but not too slow, are to leave room for others.
_INPUTS: Final = ThreadPoolExecutor(max_workers=32, thread_name_prefix="input")
# What is paid for, and what lies in our own storage, never waits for a link of a client. Each has 24 MiB in memory.
_OWN: Final = ThreadPoolExecutor(max_workers=8, thread_name_prefix="transfer")
_STEP: Final = 1024**2  # bytes written to a file at a time
_NOWHERE: Final = "the file cannot be taken from there; give it as s3://bucket/key or an https link"


class ExpiredLink(TransferInterrupted):
    """A vendor's link to a result does not give it (any more): ask the vendor for a new link, then try again."""


@asynccontextmanager
async def fetched(
    source: str,
    *,
    max_bytes: float = math.inf,
    reach: Reach = Reach(),  # noqa: B008  # frozen
    allow_files: bool = False,
    look_up: LookUp = look_up,
) -> AsyncIterator[Path]:
    """An input as a local file: from `https://`, and if allowed `http://`, `file://` or an absolute path.

    A local file is used where it is; anything else becomes a temporary file, gone when the block is left.
    Raises InvalidMedia with what to do, or TransferInterrupted.
    """
    match _scheme(source):
        case "https" | "http":
            fetch = partial(_from_web, source, reach, look_up, max_bytes)
        case "" | "file" if allow_files:
            yield await asyncio.to_thread(_local, source, max_bytes)
            return
        case _:
            raise InvalidMedia(_NOWHERE)
    with scratch_folder() as folder:
        path = folder / "input"
        await _in_thread(_INPUTS, partial(fetch, path))
        yield path


async def brought(
    source: str, folder: Path, store: ObjectStore, *, max_bytes: float, reach: Reach, allow_files: bool = False
) -> Path:
    """An input as a local file for work that reads it more than once: in `folder`; a local file, where it is.

    Also from storage. Raises InvalidMedia with what to do, or TransferInterrupted.
    """
    path = folder / "input"
    match _scheme(source):
        case "s3":
            await _in_thread(_OWN, partial(_from_store, source, store, max_bytes, path))
        case "https" | "http":
            await _in_thread(_INPUTS, partial(_from_web, source, reach, look_up, max_bytes, path))
        case "" | "file" if allow_files:
            return await asyncio.to_thread(_local, source, max_bytes)
        case _:
            raise InvalidMedia(_NOWHERE)
    return path


async def load_all(store: ObjectStore, files: Mapping[str, Path]) -> None:
    """Objects of the store, by their keys, as files, each whole or not there. Raises InvalidMedia."""

    def load(stop: Event) -> None:
        for key, path in files.items():
            part = path.with_name(f"{path.name}.part")
            _from_store(store.uri(key), store, math.inf, part, stop)
            part.replace(path)

    await _in_thread(_OWN, load)


def is_stored(source: str) -> bool:
    """Whether an input lies in storage: it is then read and signed where it is, and not copied."""
    return _scheme(source) == "s3"


def open_stored(source: str, store: ObjectStore, max_bytes: float) -> BinaryIO:
    """An input that lies in storage, in a bucket that the keys of `store` open. Blocks.

    Raises InvalidMedia with what to do, or TransferInterrupted.
    """
    owner, key = store.located(source)
    file = owner.open(key)
    if file.seek(0, os.SEEK_END) > max_bytes:
        raise too_large(max_bytes)
    file.seek(0)
    return file


async def copy_url_to_store(
    url: str,
    store: ObjectStore,
    key: str,
    *,
    content_type: str,
    reach: Reach,
    max_bytes: float = math.inf,
) -> StoredObject:
    """Streams a vendor's result into the store, through a few parts in memory; it is stored whole or not at all.

    Raises ExpiredLink where the link gives no file, InvalidMedia where it gives more than `max_bytes`, and
    TransferInterrupted where the transfer broke off.
    """

    def copy(stop: Event) -> StoredObject:
        with _link(url, reach, look_up, max_bytes, stop) as coming:
            return store.put_stream(key, coming.chunks, content_type, expected_length=coming.length)

    try:
        return await _in_thread(_OWN, copy)
    except LinkRefused as error:
        raise ExpiredLink(f"the result cannot be fetched: {error}") from error


def _scheme(source: str) -> str:
    """What stands before the first colon; nothing for a path, which may have colons further on."""
    scheme, colon, _ = source.partition(":")
    return scheme.lower() if colon and "/" not in scheme else ""


async def _in_thread(threads: ThreadPoolExecutor, work: Callable[[Event], T]) -> T:
    """Runs a transfer, and tells it to stop when nobody waits for it any more."""
    stop = Event()
    try:
        in_context = partial(copy_context().run, work, stop)
        return await asyncio.get_running_loop().run_in_executor(threads, in_context)
    finally:
        stop.set()


def _until(stop: Event, chunks: Iterator[bytes]) -> Iterator[bytes]:
    for chunk in chunks:
        if stop.is_set():
            raise TransferInterrupted("the transfer was stopped")
        yield chunk


@contextmanager
def _link(url: str, reach: Reach, look_up: LookUp, max_bytes: float, stop: Event) -> Iterator[Download]:
    """A link, without any vendor's credentials: results lie on other hosts."""
    pace = Pace(Links(), max_bytes, stop)
    with (
        guarded_http(reach, pace, look_up=look_up) as http,
        download(http, url, max_bytes=max_bytes, allow_http=reach.plain_http) as coming,
    ):
        yield coming


def _from_web(url: str, reach: Reach, look_up: LookUp, max_bytes: float, path: Path, stop: Event) -> None:
    with _link(url, reach, look_up, max_bytes, stop) as coming:
        _write(path, coming.chunks, coming.length)


def _from_store(source: str, store: ObjectStore, max_bytes: float, path: Path, stop: Event) -> None:
    with open_stored(source, store, max_bytes) as file:
        _write(path, _until(stop, iter(partial(file.read, _STEP), b"")), None)


def _write(path: Path, chunks: Iterator[bytes], expected_length: int | None) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(Metered(chunks, expected_length, stream="stream.fetch"), file, _STEP)


def _local(source: str, max_bytes: float) -> Path:
    """A file of this machine. Devices and pipes are none: reading one might never end."""
    path = Path(unquote(source[len("file:") :].removeprefix("//")) if _scheme(source) else source)
    if not path.is_absolute():
        raise InvalidMedia("give the whole path of the file, beginning with /")
    try:
        if not path.is_file():
            raise InvalidMedia("there is no such file; correct its path")
        if path.stat().st_size > max_bytes:
            raise too_large(max_bytes)
        path.open("rb").close()
    except OSError as error:
        raise InvalidMedia(f"the file cannot be read ({error.strerror}); change its rights") from error
    return path
