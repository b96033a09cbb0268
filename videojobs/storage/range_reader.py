"""An object in storage as a seekable file, so that it is decoded without a copy on disk."""

import io
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

# Decoders read in small steps, and at two positions where picture and sound are far apart.
BLOCK_BYTES: Final = 2 * 1024**2  # bytes per request: large enough that latency hardly counts
CACHED_BLOCKS: Final = 6  # cached blocks: 12 MiB for each open object


class RangeReader(io.RawIOBase):
    """Reads an object of `size` bytes through `fetch(start, end)`, which excludes the byte at `end`."""

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        super().__init__()
        self._size = size
        self._fetch = fetch
        self._position = 0
        self._blocks: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError("a position before the start of the file")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # narrower than Buffer: callers are io's own
        number, start = divmod(self._position, BLOCK_BYTES)
        if self._position >= self._size:
            return 0
        part = self._block(number)[start : start + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def _block(self, number: int) -> bytes:
        if number not in self._blocks:
            if len(self._blocks) == CACHED_BLOCKS:
                self._blocks.popitem(last=False)  # the least recently used one
            start = number * BLOCK_BYTES
            self._blocks[number] = self._fetch(start, min(start + BLOCK_BYTES, self._size))
        self._blocks.move_to_end(number)
        return self._blocks[number]
