"""Working folders that outlive no process for long: a killed one leaves its folder, and the next one removes it.

Each folder has a lock file beside it, locked for as long as the process lives. The kernel lets the lock go with the
process, so a folder whose lock can be had belongs to nobody any more.
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
    """A folder of one's own below the system's temporary one, gone when the block is left."""
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
    """Remove what killed processes of this user have left."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*{_LOCK_SUFFIX}"):
        with suppress(OSError), path.open("rb") as lock:
            if _try_lock(lock, path):
                _remove_dir(path)


def _create_lock_file() -> tuple[IO[bytes], Path]:
    """A new lock file, locked. Between its making and its locking another process may have cleared it away."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_LOCK_SUFFIX)
        lock = os.fdopen(descriptor, "rb")
        if _try_lock(lock, Path(name)):
            return lock, Path(name)
        lock.close()


def _try_lock(lock: IO[bytes], path: Path) -> bool:
    """Whether the lock is ours now, and its file is still the one at `path`."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.stat().st_ino == os.fstat(lock.fileno()).st_ino
    except OSError:
        return False


def _remove_dir(lock: Path) -> None:
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    lock.unlink(missing_ok=True)
