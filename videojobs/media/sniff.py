"""Guesses a file's container from its first bytes, to reject a spreadsheet before a gigabyte of it is uploaded.

It proves nothing. `videojobs.media.probe` validates a file by decoding all of it.
"""

from typing import Final

SNIFF_BYTES: Final = 12  # enough for all formats
_QUICKTIME_ATOMS: Final = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # first atoms of old QuickTime files
_FRAME_SYNC_MASK: Final = 0xFFE0  # eleven bits at the start of each frame of an MP3 or a raw AAC file
_LAYER_MASK: Final = 0x0006  # two bits for the layer of MPEG audio; 0 in AAC


def sniff_container(head: bytes) -> str | None:
    """`mp4`, `mov`, `webm`, `avi`, `wav`, `mp3`, `aac`, `ogg`, `flac`; None for anything else."""
    if head[4:8] == b"ftyp":
        return "mov" if head[8:10] == b"qt" else "mp4"
    if head[4:8] in _QUICKTIME_ATOMS:
        return "mov"
    if head[:4] in (b"RIFF", b"RF64"):
        return {b"AVI ": "avi", b"WAVE": "wav"}.get(head[8:12])
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            return name
    first_word = int.from_bytes(head[:2], "big") if len(head) > 1 else 0
    if first_word & _FRAME_SYNC_MASK != _FRAME_SYNC_MASK:
        return None
    return "mp3" if first_word & _LAYER_MASK else "aac"


_MAGIC: Final = {
    b"\x1a\x45\xdf\xa3": "webm",
    b"ID3": "mp3",
    b"OggS": "ogg",
    b"fLaC": "flac",
}
