"""Detects concatenated recordings in one file, as `cat a.wav b.wav` and some speech services produce them.

FFmpeg silently reads the first recording only; other readers may read all, or none. Most formats then have a second
header in the middle, which this module searches for. If FFmpeg continues into the next recording, timestamps restart,
which `decoding` detects. `mp4_index_guard` checks MP4.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

CONCATENATED_MESSAGE: Final = (
    "the file contains several recordings, one after the other; join them in an editor and export them as one"
)
_SPLIT_AUDIO_MESSAGE: Final = "its audio is in several parts, of which only one would be used; export it again"

_WAVE_MAGICS: Final = (b"RIFF", b"RF64", b"BW64")
_WAVE_HEADER: Final = re.compile(rb"(?:RIFF|RF64|BW64).{4}WAVE", re.DOTALL)
_WAVE_HEADER_BYTES: Final = 12  # of such a header
_SEARCH_BLOCK_BYTES: Final = 1024**2  # bytes per read of the search
_UNKNOWN_LENGTH: Final = 0xFFFF_FFFF  # the length is elsewhere (RF64), or unknown
_MAX_PARTS: Final = 1000  # of a file: a WAV has ten, an AVI one per gigabyte
_OGG_PAGE: Final = re.compile(rb"OggS\0[\0-\7]")  # an Ogg page's magic, version and flags (RFC 3533)
_OGG_PAGE_HEADER_BYTES: Final = 27  # bytes
_MAX_OGG_PAGE_BYTES: Final = 27 + 255 + 255 * 255  # bytes of the largest page
_FIRST_PAGE_FLAG: Final = 2  # of a stream's first page; all streams of a recording begin before any continues


def concatenation_error(source: BinaryIO, size: int) -> str | None:
    """An error message if a WAV, AVI or Ogg continues after its end. `size` in bytes. Moves the read position."""
    source.seek(0)
    head = source.read(_WAVE_HEADER_BYTES)
    if head[:4] in _WAVE_MAGICS and head[8:] == b"WAVE":
        return _wav_error(source, size)
    if head[:4] == b"RIFF" and head[8:] == b"AVI " and _is_avi_concatenated(source, size):
        return CONCATENATED_MESSAGE
    if head[:4] == b"OggS" and _is_ogg_concatenated(source, size):
        return CONCATENATED_MESSAGE
    return None


def _wav_error(source: BinaryIO, size: int) -> str | None:
    """Tags and padding may follow the audio; another header, or more audio, would be lost."""
    rf64_length = 0
    for name, start, stated_length in _riff_chunks(source, _WAVE_HEADER_BYTES, size):
        if name == b"ds64":  # contains RF64's lengths
            source.seek(start + 8)
            rf64_length = int.from_bytes(source.read(8), "little")
        if name == b"data":
            length = rf64_length if stated_length == _UNKNOWN_LENGTH else stated_length
            end = start + length
            if not length or end > size:  # written to a pipe: all that follows counts as audio, even headers
                return CONCATENATED_MESSAGE if _has_wave_header(source, start, size) else None
            if _has_wave_header(source, end, size):
                return CONCATENATED_MESSAGE
            trailing_chunks = _riff_chunks(source, end + length % 2, size)
            return (
                _SPLIT_AUDIO_MESSAGE if any(other == b"data" and more for other, _, more in trailing_chunks) else None
            )
    return None


def _riff_chunks(source: BinaryIO, offset: int, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, content offset and content length in bytes of each chunk from `offset` on."""
    for _ in range(_MAX_PARTS):
        source.seek(offset)
        head = source.read(8)
        if len(head) < 8:
            return
        length = int.from_bytes(head[4:], "little")
        yield head[:4], offset + 8, length
        offset += 8 + length + length % 2
        if offset >= size:
            return


def _has_wave_header(source: BinaryIO, offset: int, size: int) -> bool:
    while offset < size:
        source.seek(offset)
        block = source.read(_SEARCH_BLOCK_BYTES + _WAVE_HEADER_BYTES)
        if _WAVE_HEADER.search(block):
            return True
        offset += _SEARCH_BLOCK_BYTES
    return False


def _is_avi_concatenated(source: BinaryIO, size: int) -> bool:
    """A large AVI has further RIFF chunks of the kind `AVIX`."""
    for name, start, _ in _riff_chunks(source, 0, size):
        if name != b"RIFF":
            return False
        source.seek(start)
        if start > 8 and source.read(4) == b"AVI ":
            return True
    return False


def _is_ogg_concatenated(source: BinaryIO, size: int) -> bool:
    """Whether the last page belongs to a stream that does not begin at the start of the file."""
    streams, offset = set(), 0
    for _ in range(_MAX_PARTS):
        source.seek(offset)
        head = source.read(_OGG_PAGE_HEADER_BYTES)
        if len(head) < _OGG_PAGE_HEADER_BYTES or not head.startswith(b"OggS") or not head[5] & _FIRST_PAGE_FLAG:
            break
        streams.add(head[14:18])
        offset += _OGG_PAGE_HEADER_BYTES + head[26] + sum(source.read(head[26]))
    source.seek(max(0, size - _MAX_OGG_PAGE_BYTES))
    tail = source.read(_MAX_OGG_PAGE_BYTES)
    last = [tail[page.start() + 14 : page.start() + 18] for page in _OGG_PAGE.finditer(tail)][-1:]
    return bool(streams) and any(len(stream) == 4 and stream not in streams for stream in last)
