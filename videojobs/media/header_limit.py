"""How much FFmpeg may read before it knows what a file is: tags, chapters, covers and tables of contents.

It keeps all of them, in up to 43 times the bytes that they have in the file: a WebM with 50 MB of tags would take two
gigabytes to open, and the header of an MP3 may have 256 MB. And for each tag it looks through all that came before:
a megabyte of small ones takes a minute, and ten of them hours.
"""

import time
from typing import BinaryIO, Final

from videojobs.errors import InvalidMedia

MAX_HEADER_BYTES: Final = 12 * 1024**2
"""FFmpeg reads up to 5 MB of pictures and sound to find out what they are; five hours of a WebM list 1 MB of places,
and covers have hundreds of kilobytes."""

MAX_HEADER_SECONDS: Final = 20.0
"""Of this thread's processor time: files of people take hundredths of a second. Waiting for storage does not count."""


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
        """As of any file; beyond the limit it ends, in case FFmpeg keeps reading."""
        if self._bytes_left is None:
            return self._source.read(size)
        if self._bytes_left < 0:
            return b""
        content = self._source.read(size)
        self._bytes_left = self._bytes_left - len(content) if time.thread_time() <= self._deadline else -1
        if self._bytes_left < 0:
            raise InvalidMedia("the file holds too many tags, chapters or pictures of its own; export it without them")
        return content

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of any file."""
        return self._source.seek(offset, whence)

    def tell(self) -> int:
        """As of any file."""
        return self._source.tell()
