"""Rejects MP4 files of a few kilobytes that would take gigabytes to open, before FFmpeg reads them.

On opening a file, FFmpeg allocates some 35 bytes for every sample that its index *declares*; four bytes can declare
thousands of millions. So this module adds up the declarations. It searches for the tables instead of parsing the
structure, because FFmpeg also accepts tables in wrong places.
"""

import re
import struct
from collections import defaultdict
from collections.abc import Iterator
from typing import BinaryIO, Final

from videojobs.errors import InvalidMedia
from videojobs.media.concatenated_files import CONCATENATED_MESSAGE

MAX_SAMPLES: Final = 4_000_000
"""In all tracks: 140 MB. Two hours at 240 frames per second have 1.7 million, and as many audio packets."""

MAX_INDEX_BYTES: Final = 64 * 1024**2
"""Bytes besides the media data: the tables for MAX_SAMPLES have 48 MB."""

_MAX_BOXES: Final = 100_000  # also fragments; a live recording has two of each per second
_MAX_TABLES: Final = 500_000  # each fragment has one or two; each takes 140 bytes of memory
_RAW_AUDIO_PACKET_SAMPLES: Final = 1024  # raw audio samples that FFmpeg combines into one
_OTHER_MAGICS: Final = (
    b"RIFF",
    b"RF64",
    b"\x1a\x45\xdf\xa3",
    b"OggS",
    b"fLaC",
    b"ID3",
    b"\xff",
)  # no MP4 begins with these
_BOX_NAME: Final = re.compile(rb"(?=(trak|moof|cmov|soun|stsz|stz2|stts|stsc|stco|co64|trun|elst))")
# Groups: the track; the time's version and value. `tfdt` follows `tfhd`, which has at most 36 bytes.
_FRAGMENT: Final = re.compile(rb"tfhd.{4}(.{4}).{0,64}?tfdt(.).{3}(.{8})", re.DOTALL)
_TABLE_HEAD: Final = struct.Struct(">III")  # a table's first numbers, after its name, version and flags
_CHUNK_ENTRY: Final = struct.Struct(">III")  # an entry of `stsc`: first chunk, samples per chunk, description
_TrackTables = dict[bytes, list[tuple[int, int, int]]]


def reject_oversized_index(source: BinaryIO, size: int) -> None:
    """Raises InvalidMedia. `size` of the source in bytes. Moves the read position."""
    source.seek(0)
    if source.read(4).startswith(_OTHER_MAGICS):
        return
    boxes = [*_index_boxes(source, size)]
    if _is_concatenated(boxes):
        raise InvalidMedia(CONCATENATED_MESSAGE)
    tracks = _track_tables(b"".join([*boxes, bytes(32)]))
    if any(b"cmov" in tables for tables in tracks):
        raise InvalidMedia("the file's index is compressed, which is obsolete; export it again")
    edits = max(sum(count for count, *_ in tables[b"elst"] if count > 1) for tables in tracks)
    if (
        sum(_count_entries(tables, size) for tables in tracks) * (1 + edits) > MAX_SAMPLES
    ):  # each edit may repeat all samples
        raise _oversized_index_error()


def _index_boxes(source: BinaryIO, size: int) -> Iterator[bytes]:
    """All top-level boxes except those with the media data."""
    offset = found = 0
    for _ in range(_MAX_BOXES):
        source.seek(offset)
        head = source.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        length = min(length or size, size - offset)  # 0: to the end of the file
        if length < 8:
            return
        if head[4:8] != b"mdat":
            found += length
            if found > MAX_INDEX_BYTES:
                raise _oversized_index_error()
            source.seek(offset)
            yield source.read(length)
        offset += length
    raise _oversized_index_error()


def _is_concatenated(boxes: list[bytes]) -> bool:
    """FFmpeg ignores a second index. A recorded stream repeats its own, without samples and with continuing times."""
    indexes = [box for box in boxes if box[4:8] == b"moov"]
    if len(indexes) < 2 or sum(box[4:8] == b"ftyp" for box in boxes) < 2:
        return False
    tracks = [tables for index in indexes for tables in _track_tables(index + bytes(32))]
    if any(count for tables in tracks for _, count, _ in tables[b"stsz"] + tables[b"stz2"]):
        return True
    latest: dict[bytes, int] = {}
    for found in (found for box in boxes if box[4:8] == b"moof" for found in _FRAGMENT.finditer(box)):
        time = int.from_bytes(found[3][: 8 if found[2] == b"\1" else 4])
        if time <= latest.get(found[1], -1):
            return True
        latest[found[1]] = time
    return False


def _track_tables(index: bytes) -> list[_TrackTables]:
    """The first numbers of all tables, for each track and each fragment; for `stsc` the largest."""
    tracks: list[_TrackTables] = [defaultdict(list)]
    chunks = 0
    for tables, mark in enumerate(_BOX_NAME.finditer(index)):
        name, at = mark[1], mark.start() + 8
        if tables > _MAX_TABLES or len(tracks) > _MAX_BOXES or chunks > MAX_SAMPLES:
            raise _oversized_index_error()
        if name in (b"trak", b"moof"):
            tracks.append(defaultdict(list))
            continue
        numbers = _TABLE_HEAD.unpack_from(index, min(at, len(index) - _TABLE_HEAD.size))
        if name == b"stsc":
            entries = index[at + 4 : at + 4 + numbers[0] * _CHUNK_ENTRY.size]
            chunks += len(entries) // _CHUNK_ENTRY.size
            whole = len(entries) // _CHUNK_ENTRY.size * _CHUNK_ENTRY.size
            numbers = (0, max((each for _, each, _ in _CHUNK_ENTRY.iter_unpack(entries[:whole])), default=0), 0)
        tracks[-1][name].append(numbers)
    return tracks


def _count_entries(tables: _TrackTables, size: int) -> int:
    """The number of entries that FFmpeg would allocate for a track."""
    fragments = sum(count for count, *_ in tables[b"trun"])
    is_raw = tables[b"soun"] and [(count, length) for count, _, length in tables[b"stts"]] == [(1, 1)]
    # Raw audio needs no entry per sample if it is complete and its samples have one size and length.
    if is_raw and all(0 < each * count <= size for each, count, _ in tables[b"stsz"]):
        chunks = sum(count for count, *_ in tables[b"stco"] + tables[b"co64"])
        max_chunk_samples = max((each for _, each, _ in tables[b"stsc"]), default=0)
        return chunks * -(-max_chunk_samples // _RAW_AUDIO_PACKET_SAMPLES) + fragments
    return sum(count for _, count, _ in tables[b"stsz"] + tables[b"stz2"]) + fragments


def _oversized_index_error() -> InvalidMedia:
    return InvalidMedia("the file's index declares more than a file of its size can contain; export it again")
