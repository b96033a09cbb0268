"""What a file seems to be, by its first bytes: enough to refuse a spreadsheet before a gigabyte of it has come.

It proves nothing. Whether a file is good is found out by decoding all of it (`videojobs.media.probe`).
"""

from typing import Final

ENOUGH: Final = 12  # bytes that tell
_MP4_ATOMS: Final = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # old QuickTime files begin with one
_MP3_FRAME: Final = 0xFFE0  # eleven bits that each frame begins with


def container_of(head: bytes) -> str | None:
    """`mp4`, `mov`, `webm`, `avi`, `wav`, `mp3`, `ogg`, `flac`; None where it begins like none of them."""
    if head[4:8] == b"ftyp":
        return "mov" if head[8:10] == b"qt" else "mp4"
    if head[4:8] in _MP4_ATOMS:
        return "mov"
    if head[:4] in (b"RIFF", b"RF64"):
        return {b"AVI ": "avi", b"WAVE": "wav"}.get(head[8:12])
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    is_mp3_frame = len(head) > 1 and int.from_bytes(head[:2], "big") & _MP3_FRAME == _MP3_FRAME
    return "mp3" if is_mp3_frame else None


_MAGIC: Final = {
    b"\x1a\x45\xdf\xa3": "webm",
    b"ID3": "mp3",
    b"OggS": "ogg",
    b"fLaC": "flac",
}
