"""Limits how much FFmpeg reads to open a file: tags, chapters, covers and tables of contents.

FFmpeg keeps all of them, in up to 43 times their bytes in the file: a WebM with 50 MB of tags takes two gigabytes to
open, and the header of an MP3 may have 256 MB. And it compares each tag with all earlier ones: a megabyte of small tags
takes a minute, ten megabytes take hours.
"""

import time
from typing import BinaryIO, Final

from videojobs.errors import InvalidMedia

MAX_HEADER_BYTES: Final = 12 * 1024**2
"""FFmpeg reads up to 5 MB of picture and audio to detect the codecs; the index of a WebM of five hours has 1 MB,
covers have hundreds of kilobytes."""

MAX_HEADER_SECONDS: Final = 20.0
"""CPU time of this thread: normal files take hundredths of a second. Waiting for storage does not count."""


class HeaderLimit:
    """A file whose reads raise InvalidMedia beyond a limit, until the limit is lifted.

    The byte limit may be infinite: then only the time is limited. Belongs to the thread that made it.
    """

    def __init__(self, source: BinaryIO, max_bytes: float = MAX_HEADER_BYTES) -> None:
        self._source = source
        self._bytes_left: float | None = max_bytes
        self._deadline = time.thread_time() + MAX_HEADER_SECONDS

    def lift(self) -> None:
        """Lift the limit: the file is open, and may be read to its end."""
        self._bytes_left = None

    def read(self, size: int = -1) -> bytes:
        """Like any file's; after the limit it returns the end of file, in case FFmpeg keeps reading."""
        if self._bytes_left is None:
            return self._source.read(size)
        if self._bytes_left < 0:
            return b""
        content = self._source.read(size)
        self._bytes_left = self._bytes_left - len(content) if time.thread_time() <= self._deadline else -1
        if self._bytes_left < 0:
            raise InvalidMedia("the file contains too many tags, chapters or cover images; export it without them")
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of any file."""
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        """As of any file."""
        return self._source.tell()
