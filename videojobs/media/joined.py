"""Two recordings one behind the other in one file, as `cat a.wav b.wav` makes them, and services for speech as well.

FFmpeg takes such a file for its first recording and leaves out the rest without a word; other readers may take all of
it, or none. Most kinds are known by a header where none belongs, which is looked for here. Where FFmpeg goes on into
the next recording, times begin again, and `decoding` notes it. MP4 is looked at in `index_check`.
"""

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

JOINED: Final = (
    "there are several recordings in the file, one behind the other; join them with an editing program and export them"
    " as one"
)
_IN_PARTS: Final = "its sound lies in several parts, of which only one would be heard; export it again"

_WAVES: Final = (b"RIFF", b"RF64", b"BW64")
_WAVE: Final = re.compile(rb"(?:RIFF|RF64|BW64).{4}WAVE", re.DOTALL)
_WAVE_BYTES: Final = 12  # of such a header
_BLOCK: Final = 1024**2  # bytes that are searched at a time
_UNKNOWN: Final = 0xFFFF_FFFF  # a length that stands elsewhere (RF64), or nowhere
_MOST_PARTS: Final = 1000  # of a file that are walked through: a WAV has ten, an AVI one for each gigabyte
_PAGE: Final = re.compile(rb"OggS\0[\0-\7]")  # the beginning of an Ogg page, its version and flags (RFC 3533)
_PAGE_HEAD: Final = 27  # bytes
_PAGE_MOST: Final = 27 + 255 + 255 * 255  # bytes of the largest page
_FIRST: Final = 2  # the flag of a stream's first page; all streams of one recording begin before any goes on


def complaint_about_parts(source: BinaryIO, size: int) -> str | None:
    """What is wrong where a WAV, AVI or Ogg goes on behind its end. `size` in bytes. Leaves the source anywhere."""
    source.seek(0)
    head = source.read(_WAVE_BYTES)
    if head[:4] in _WAVES and head[8:] == b"WAVE":
        return _about_wav(source, size)
    if head[:4] == b"RIFF" and head[8:] == b"AVI " and _avi_begins_again(source, size):
        return JOINED
    if head[:4] == b"OggS" and _ogg_ends_as_another(source, size):
        return JOINED
    return None


def _about_wav(source: BinaryIO, size: int) -> str | None:
    """Tags and padding may stand behind the sound; another header, or more sound, is lost there."""
    long = 0
    for name, start, stated in _chunks(source, _WAVE_BYTES, size):
        if name == b"ds64":  # where RF64 has its lengths
            source.seek(start + 8)
            long = int.from_bytes(source.read(8), "little")
        if name == b"data":
            length = long if stated == _UNKNOWN else stated
            end = start + length
            if not length or end > size:  # written into a pipe: all that follows is taken for sound, headers as well
                return JOINED if _has_wave_header(source, start, size) else None
            if _has_wave_header(source, end, size):
                return JOINED
            behind = _chunks(source, end + length % 2, size)
            return _IN_PARTS if any(other == b"data" and more for other, _, more in behind) else None
    return None


def _chunks(source: BinaryIO, place: int, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, place of the content and its length in bytes, for each chunk from a place on."""
    for _ in range(_MOST_PARTS):
        source.seek(place)
        head = source.read(8)
        if len(head) < 8:
            return
        length = int.from_bytes(head[4:], "little")
        yield head[:4], place + 8, length
        place += 8 + length + length % 2
        if place >= size:
            return


def _has_wave_header(source: BinaryIO, place: int, size: int) -> bool:
    while place < size:
        source.seek(place)
        block = source.read(_BLOCK + _WAVE_BYTES)
        if _WAVE.search(block):
            return True
        place += _BLOCK
    return False


def _avi_begins_again(source: BinaryIO, size: int) -> bool:
    """A large AVI has further parts, whose kind is `AVIX`."""
    for name, start, _ in _chunks(source, 0, size):
        if name != b"RIFF":
            return False
        source.seek(start)
        if start > 8 and source.read(4) == b"AVI ":
            return True
    return False


def _ogg_ends_as_another(source: BinaryIO, size: int) -> bool:
    """Whether the last page belongs to a stream that does not begin at the start of the file."""
    streams, place = set(), 0
    for _ in range(_MOST_PARTS):
        source.seek(place)
        head = source.read(_PAGE_HEAD)
        if len(head) < _PAGE_HEAD or not head.startswith(b"OggS") or not head[5] & _FIRST:
            break
        streams.add(head[14:18])
        place += _PAGE_HEAD + head[26] + sum(source.read(head[26]))
    source.seek(max(0, size - _PAGE_MOST))
    tail = source.read(_PAGE_MOST)
    last = [tail[page.start() + 14 : page.start() + 18] for page in _PAGE.finditer(tail)][-1:]
    return bool(streams) and any(len(stream) == 4 and stream not in streams for stream in last)
