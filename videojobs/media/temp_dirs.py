"""Temporary folders with clean-up after killed processes: the next process removes what they left.

Each folder has a lock file beside it, locked while its process lives. The kernel releases the lock with the process, so
a folder whose lock is free is abandoned.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

_PREFIX: Final = "videojobs-"
_LOCK_SUFFIX: Final = ".lock"


@contextmanager
def temporary_dir() -> Iterator[Path]:
    """A new folder in the system's temporary one, deleted at the end of the block."""
    remove_stale_dirs()
    lock, path = _create_lock_file()
    folder = path.with_suffix("")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        _remove_dir(path)
        lock.close()


def remove_stale_dirs() -> None:
    """Remove the folders of this user's killed processes."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*{_LOCK_SUFFIX}"):
        with suppress(OSError), path.open("rb") as lock:
            if _try_lock(lock, path):
                _remove_dir(path)


def _create_lock_file() -> tuple[IO[bytes], Path]:
    """A new locked lock file. If another process removes it before it is locked, this creates another one."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_LOCK_SUFFIX)
        lock = os.fdopen(descriptor, "rb")
        if _try_lock(lock, Path(name)):
            return lock, Path(name)
        lock.close()


def _try_lock(lock: IO[bytes], path: Path) -> bool:
    """Whether we now hold the lock, and its file is still the one at `path`."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.stat().st_ino == os.fstat(lock.fileno()).st_ino
    except OSError:
        return False


def _remove_dir(lock: Path) -> None:
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    lock.unlink(missing_ok=True)
