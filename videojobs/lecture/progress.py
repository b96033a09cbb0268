"""Progress and cancellation of long work."""

import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from threading import Event

from videojobs.errors import WorkCancelled

ProgressCallback = Callable[[float], None]
"""Receives the finished share, 0 to 1. Called often, in the thread that does the work."""


def no_progress(_share: float) -> None:
    """Ignore the progress."""


def raise_if_cancelled(stop: Event) -> None:
    """Raises WorkCancelled if `stop` is set."""
    if stop.is_set():
        raise WorkCancelled("the work was stopped")


class CancellableFile(FileIO):
    """A file whose `read` reports progress and raises on cancellation, for code that reads all of it without checks."""

    def __init__(self, path: Path, stop: Event, on_progress: ProgressCallback) -> None:
        super().__init__(path, "rb")
        self._stop, self._on_progress = stop, on_progress
        self._size = max(1, os.fstat(self.fileno()).st_size)

    def read(self, size: int | None = -1, /) -> bytes:
        raise_if_cancelled(self._stop)
        self._on_progress(min(1.0, self.tell() / self._size))
        return super().read(-1 if size is None else size) or b""
