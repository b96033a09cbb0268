"""What every long piece of work here is given: whom to tell how far it is, and a signal that it is to stop."""

import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from threading import Event

from videojobs.errors import WorkCancelled

ProgressCallback = Callable[[float], None]
"""Told the share that is done, 0 to 1. It is called often, in the thread that does the work."""


def no_progress(_share: float) -> None:
    """Nobody wants to know."""


def raise_if_cancelled(stop: Event) -> None:
    """Raises Stopped once the signal is given."""
    if stop.is_set():
        raise WorkCancelled("the work was stopped")


class CancellableFile(FileIO):
    """A file whose reader is told to stop: for work that reads all of it, and knows nothing of signals."""

    def __init__(self, path: Path, stop: Event, on_progress: ProgressCallback) -> None:
        super().__init__(path, "rb")
        self._stop, self._on_progress = stop, on_progress
        self._size = max(1, os.fstat(self.fileno()).st_size)

    def read(self, size: int | None = -1, /) -> bytes:
        raise_if_cancelled(self._stop)
        self._on_progress(min(1.0, self.tell() / self._size))
        return super().read(-1 if size is None else size) or b""
