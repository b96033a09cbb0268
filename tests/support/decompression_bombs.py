"""Small files that declare, or unpack into, far more than their size. Built byte by byte, since no tool writes them."""

import struct
import zlib
from fractions import Fraction
from io import BytesIO
from typing import Final

import av
from av.packet import Packet

DECLARED_COUNT: Final = 80_000_000  # samples; FFmpeg allocates 2.8 GB for them
HUGE_SIDE: Final = 8000  # pixels each way; half a gigabyte when unpacked
_IDENTITY_MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_FRAME_SIZE: Final = (64, 48)  # pixels, as declared


def box(kind: bytes, *content: bytes) -> bytes:
    whole = b"".join(content)
    return struct.pack(">I", 8 + len(whole)) + kind + whole


def full_box(kind: bytes, *content: bytes, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", flags), *content)


def png(side: int) -> bytes:
    """A black image with 8 bytes per pixel before compression."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer, line = zlib.compressobj(9), bytes(1 + side * 8)
    packed = b"".join(packer.compress(line) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 16, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def png_video(frames: list[bytes], *, seconds: int = 2) -> bytes:
    """A video whose frames are PNGs, with a declared size of 64 x 48."""
    sizes = struct.pack(">II", 0, len(frames)) + b"".join(struct.pack(">I", len(each)) for each in frames)
    return _mp4(sizes, len(frames), seconds, b"".join(frames))


def multi_track_video(picture: bytes, count: int, *, size: tuple[int, int] = _FRAME_SIZE) -> bytes:
    """A video of one frame, repeated in many tracks. `size` is the declared size in pixels."""
    content = BytesIO()
    with av.open(content, "w", "mp4") as film:
        for _ in range(count):
            track = film.add_stream("png", rate=1)
            track.width, track.height = size
            track.pix_fmt = "rgb24"
        for track in film.streams.video:
            packet = Packet(picture)
            packet.stream, packet.time_base = track, Fraction(1)
            packet.pts = packet.dts = 0
            packet.duration = 1
            film.mux(packet)
    return content.getvalue()


def webm_tag_flood() -> bytes:
    """A WebM that contains only tags: 26 MB, for which FFmpeg allocates 900 MB."""
    tag = _element("67c8", _element("45a3", b"ab"), _element("4487", b"cd"))
    return _webm(_element("1254c367", _element("7373", _element("63c0"), tag * 1_000_000)))


def webm_chapter_flood() -> bytes:
    """Like `webm_tag_flood`, with chapters."""
    chapter = _element("b6", _element("73c4", b"\1"), _element("91", b"\1"))
    return _webm(_element("1043a770", _element("45b9", chapter * 1_000_000)))


def _webm(content: bytes) -> bytes:
    header = _element("1a45dfa3", _element("4282", b"webm"))
    return header + _element("18538067", _element("1549a966", _element("4489", struct.pack(">d", 2000.0))), content)


def _element(name: str, *content: bytes) -> bytes:
    whole = b"".join(content)
    return bytes.fromhex(name) + struct.pack(">Q", len(whole) | 1 << 56) + whole


def mp3_cover_flood() -> bytes:
    """An MP3 that contains only cover images of 22 bytes each."""
    cover = b"\0image/png\0\3\0" + b"\x89PNG"
    frames = (b"APIC" + struct.pack(">I", len(cover)) + bytes(2) + cover) * 600_000
    length = len(frames)
    return b"ID3\3\0\0" + bytes(length >> shift & 127 for shift in (21, 14, 7, 0)) + frames


def huge_sample_table() -> bytes:
    """Four kilobytes, with one number that declares millions of samples."""
    return _mp4(struct.pack(">II", 1, DECLARED_COUNT), DECLARED_COUNT, 10, bytes(4000))


def huge_fragment_table() -> bytes:
    """Like `huge_sample_table`, in a fragment."""
    run = box(
        b"traf",
        full_box(b"tfhd", struct.pack(">I", 1), flags=0x20000),
        full_box(b"trun", struct.pack(">I", DECLARED_COUNT)),
    )
    fragment = box(b"moof", full_box(b"mfhd", struct.pack(">I", 1)), run)
    extends = box(b"mvex", full_box(b"trex", struct.pack(">IIIII", 1, 1, 1, 1, 0)))
    return _mp4(struct.pack(">II", 0, 0), 0, 10, bytes(4000), extends, fragment)


def compressed_index_bomb() -> bytes:
    """A QuickTime index as a literal zip bomb: one megabyte that declares an unpacked size of one gigabyte."""
    packed = box(b"cmvd", struct.pack(">I", 1024**3), zlib.compress(bytes(1024**3), 1))
    return box(b"ftyp", b"qt  ", bytes(4), b"qt  ") + box(
        b"moov", box(b"cmov", box(b"dcom", b"zlib"), packed)
    ) + box(b"mdat", bytes(4000))  # fmt: skip


def _mp4(
    sizes: bytes, count: int, seconds: int, media_data: bytes, extends: bytes = b"", fragment: bytes = b""
) -> bytes:
    brand = box(b"ftyp", b"isom", struct.pack(">I", 0x200), b"isomavc1mp41")
    index = _index(sizes, count, seconds, 0, extends)
    index = _index(sizes, count, seconds, len(brand) + len(index) + len(fragment) + 8, extends)
    return brand + index + fragment + box(b"mdat", media_data)


def _index(sizes: bytes, count: int, seconds: int, data_offset: int, extends: bytes) -> bytes:
    width, height = _FRAME_SIZE
    times = struct.pack(">IIII", 0, 0, 1000, seconds * 1000)
    header = full_box(
        b"mvhd", times, struct.pack(">IH10x", 0x10000, 0x100), _IDENTITY_MATRIX, bytes(24), struct.pack(">I", 2)
    )
    place_on_screen = struct.pack(">IIIII16x", 0, 0, 1, 0, seconds * 1000) + _IDENTITY_MATRIX
    track = full_box(b"tkhd", place_on_screen, struct.pack(">II", width << 16, height << 16), flags=3)
    look = struct.pack(">6xH16xHHII4xH32xHh", 1, width, height, 0x480000, 0x480000, 1, 24, -1)
    one_each = struct.pack(">III", 1, count, max(1, seconds * 1000 // max(1, count)))
    tables = box(
        b"stbl",
        full_box(b"stsd", struct.pack(">I", 1), box(b"png ", look)),
        full_box(b"stts", one_each),
        full_box(b"stsc", struct.pack(">IIII", 1, 1, max(1, count), 1)),
        full_box(b"stsz", sizes),
        full_box(b"stco", struct.pack(">II", 1, data_offset)),
    )
    media = box(
        b"mdia",
        full_box(b"mdhd", times, struct.pack(">HH", 0x55C4, 0)),
        full_box(b"hdlr", bytes(4), b"vide", bytes(12), b"v\0"),
        box(b"minf", full_box(b"vmhd", bytes(8), flags=1), tables),
    )
    return box(b"moov", header, box(b"trak", track, media), extends)
