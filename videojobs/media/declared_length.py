"""The length that an audio file declares, read without decoding it: for an early check, before the file is probed."""

from pathlib import Path
from typing import BinaryIO, Final

from videojobs.errors import InvalidMedia
from videojobs.media.decoding import open_media

_HEAD_BYTES: Final = 256 * 1024  # the first frame of an MP3 follows its tags, which may contain a picture
_MP3_LENGTH_TAGS: Final = (b"Xing", b"Info")


def declared_audio_seconds(source: Path | BinaryIO) -> float | None:
    """Seconds; None if the file declares none, or is not readable (probing it tells why).

    An MP3 declares its length in its first frame. Without that, FFmpeg estimates it from the first bit rate, which may
    be wrong by far.
    """
    try:
        with open_media(source) as media:
            if media.has_unknown_length or not media.declared_seconds > 0:
                return None
            seconds, is_mp3 = media.declared_seconds, media.format == "mp3"
    except InvalidMedia:
        return None
    return None if is_mp3 and not _declares_mp3_length(source) else seconds


def _declares_mp3_length(source: Path | BinaryIO) -> bool:
    if isinstance(source, Path):
        with source.open("rb") as file:
            return _declares_mp3_length(file)
    source.seek(0)
    head = source.read(_HEAD_BYTES)
    return any(tag in head for tag in _MP3_LENGTH_TAGS)
