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
_LOCK: Final = ".lock"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder of one's own below the system's temporary one, gone when the block is left."""
    remove_abandoned()
    lock, path = _locked()
    folder = path.with_suffix("")
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        _remove(path)
        lock.close()


def remove_abandoned() -> None:
    """Remove what killed processes of this user have left."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*{_LOCK}"):
        with suppress(OSError), path.open("rb") as lock:
            if _is_free(lock, path):
                _remove(path)


def _locked() -> tuple[IO[bytes], Path]:
    """A new lock file, locked. Between its making and its locking another process may have cleared it away."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=_PREFIX, suffix=_LOCK)
        lock = os.fdopen(descriptor, "rb")
        if _is_free(lock, Path(name)):
            return lock, Path(name)
        lock.close()


def _is_free(lock: IO[bytes], path: Path) -> bool:
    """Whether the lock is ours now, and its file is still the one at `path`."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.stat().st_ino == os.fstat(lock.fileno()).st_ino
    except OSError:
        return False


def _remove(lock: Path) -> None:
    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
    lock.unlink(missing_ok=True)
