"""Container detection from a file's first bytes."""

import pytest

from videojobs.media.sniff import sniff_container


@pytest.mark.parametrize(
    ("first_bytes", "container"),
    [
        (b"\0\0\0\x18ftypmp42", "mp4"),
        (b"\0\0\0\x14ftypqt  ", "mov"),
        (b"\0\0\0\x08wide\0\0\0\0", "mov"),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\0", "webm"),
        (b"RIFF\0\0\0\0AVI ", "avi"),
        (b"RIFF\0\0\0\0WAVE", "wav"),
        (b"RF64\0\0\0\0WAVE", "wav"),
        (b"ID3\x04\0\0\0\0\0\0\0\0", "mp3"),
        (b"\xff\xfb\x90\x64\0\0\0\0\0\0\0\0", "mp3"),
        (b"\xff\xf1\x50\x80\x2e\x7f\xfc\xda\0\0\0\0", "aac"),
        (b"\xff\xf9\x50\x80\x2e\x7f\xfc\xda\0\0\0\0", "aac"),
        (b"\0\0\x01\xba\x44\0\x04\0\x04\x01\0\0", None),  # an MPEG program stream
        (b"OggS\0\x02\0\0\0\0\0\0", "ogg"),
        (b"fLaC\0\0\0\x22\0\0\0\0", "flac"),
        (b"RIFF\0\0\0\0WEBP", None),
        (b"PK\x03\x04\0\0\0\0\0\0\0\0", None),
        (b"#EXTM3U\nhttp", None),
        (b"<html><body>", None),
        (b"", None),
    ],
)
def test_a_container_is_recognized_by_its_first_bytes(first_bytes: bytes, container: str | None) -> None:
    assert sniff_container(first_bytes) == container
