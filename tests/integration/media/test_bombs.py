"""Small files that would take gigabytes or hours: rejected at once, with hardly any memory.

A process of its own opens each file and reports its peak memory growth.
"""

import struct
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Final

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from tests.support import decompression_bombs
from videojobs.errors import InvalidMedia
from videojobs.media import header_limit
from videojobs.media.probe import probe_audio, probe_video

MAX_BYTES: Final = 64 * 1024**2  # compared with a process that has opened no file
MAX_SECONDS: Final = 20  # Python's start included
_PROBE_SCRIPT: Final = """
import resource, sys
from pathlib import Path
from videojobs.errors import InvalidMedia
from videojobs.media.probe import probe_video
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
try: print(probe_video(Path(sys.argv[1]), max_seconds=300, max_pixels=4096 * 2160))
except InvalidMedia as error: print(error)
print(peak() - before)
"""


@pytest.fixture(scope="module")
def huge_png() -> bytes:
    return decompression_bombs.png(decompression_bombs.HUGE_SIDE)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: decompression_bombs.huge_sample_table(), "declares more than a file of its size can contain"),
        (lambda _: decompression_bombs.huge_fragment_table(), "declares more than a file of its size can contain"),
        (lambda _: decompression_bombs.compressed_index_bomb(), "index is compressed"),
        (lambda huge_png: decompression_bombs.png_video([huge_png]), "no video frame can be decoded"),
        (
            lambda huge_png: decompression_bombs.png_video([decompression_bombs.png(48), huge_png]),
            "no video frame can be decoded",
        ),
        (
            lambda huge_png: decompression_bombs.multi_track_video(
                huge_png, 1, size=(decompression_bombs.HUGE_SIDE, decompression_bombs.HUGE_SIDE)
            ),
            "8000 x 8000 pixels; the maximum is 8,847,360 in all",
        ),
        (
            lambda _: decompression_bombs.multi_track_video(decompression_bombs.png(5000), 1, size=(5000, 5000)),
            "5000 x 5000 pixels; the maximum is 8,847,360 in all",
        ),
        (lambda _: decompression_bombs.multi_track_video(decompression_bombs.png(2000), 40), "more than 24 tracks"),
    ],
    ids=[
        *(
            "an index without end",
            "a fragment without end",
            "a packed index",
            "a huge picture",
            "a huge second picture",
        ),
        *("a picture that is as huge as it says", "a picture beyond the limit of jobs", "forty tracks"),
    ],
)
def test_a_decompression_bomb_is_refused_with_little_memory(
    tmp_path: Path, huge_png: bytes, make: Callable[[bytes], bytes], words: str
) -> None:
    file = tmp_path / "bomb.mp4"
    file.write_bytes(make(huge_png))
    assert file.stat().st_size < 5_000_000
    said, peak = probe_in_subprocess(file)
    assert words in said
    assert peak < MAX_BYTES


def probe_in_subprocess(file: Path) -> tuple[str, int]:
    """The probe's message for a file, and the additional memory that it took, in bytes."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE_SCRIPT, file], capture_output=True, text=True, timeout=MAX_SECONDS, check=True
    )
    said, peak = done.stdout.splitlines()
    return said, int(peak)


def test_unused_video_tracks_take_no_memory(tmp_path: Path) -> None:
    """FFmpeg decodes the first frame of every track when it opens a file, and keeps them all."""
    picture = decompression_bombs.png(2000)  # 32 MB when unpacked
    peaks = {}
    for count in (1, 20):
        file = tmp_path / f"{count}.mp4"
        file.write_bytes(decompression_bombs.multi_track_video(picture, count))
        said, peaks[count] = probe_in_subprocess(file)
        assert "width=2000" in said
    assert peaks[20] < peaks[1] + MAX_BYTES


@pytest.mark.parametrize(
    "make",
    [decompression_bombs.webm_tag_flood, decompression_bombs.webm_chapter_flood, decompression_bombs.mp3_cover_flood],
)
def test_metadata_memory_is_bounded(tmp_path: Path, make: Callable[[], bytes]) -> None:
    file = tmp_path / "bomb"
    file.write_bytes(make())
    said, peak = probe_in_subprocess(file)
    assert "too many tags, chapters or cover images" in said
    assert peak < 6 * MAX_BYTES  # FFmpeg keeps 12 MB of them, in 22 times as much memory


def test_audio_with_a_gap_of_years_is_refused(tmp_path: Path) -> None:
    """Extracting a lecture's audio would fill the whole gap with silence."""
    content = BytesIO()
    with av.open(content, "w", "matroska") as target:
        track = target.add_stream("pcm_s16le", rate=8000, layout="mono")
        for place in (0, 10_000_000 * 8000):
            frame = AudioFrame.from_ndarray(np.zeros((1, 4000), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8000, place
            target.mux(track.encode(frame))
        target.mux(track.encode(None))
    file = tmp_path / "sound.mkv"
    said = b"\x44\x89\x88"  # the element with the length, in milliseconds
    before, _, after = content.getvalue().partition(said)
    file.write_bytes(before + said + struct.pack(">d", 2000.0) + after[8:])
    with pytest.raises(InvalidMedia, match="more than the limit of 3 s"):
        probe_audio(file, max_seconds=3, containers=frozenset({"mkv"}))


def test_a_video_with_too_many_frames_is_not_fully_decoded(tmp_path: Path) -> None:
    file = tmp_path / "many.mp4"
    file.write_bytes(decompression_bombs.png_video([decompression_bombs.png(16)] * 5000))
    with pytest.raises(InvalidMedia, match="more than the limit of 2 s"):
        probe_video(file, max_seconds=2)


def test_audio_longer_than_declared_is_not_fully_decoded(tmp_path: Path) -> None:
    file = tmp_path / "silence.flac"
    with av.open(str(file), "w") as target:
        track = target.add_stream("flac", rate=8000, layout="mono")
        for place in range(0, 60 * 8000, 4000):
            frame = AudioFrame.from_ndarray(np.zeros((1, 4000), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8000, place
            target.mux(track.encode(frame))
        target.mux(track.encode(None))
    content = bytearray(file.read_bytes())
    content[22:26] = (8000 * 2).to_bytes(4, "big")  # declared number of samples: two seconds
    file.write_bytes(content)
    with pytest.raises(InvalidMedia, match="more than the limit of 3 s"):
        probe_audio(file, max_seconds=3)


def test_raw_audio_has_no_sample_limit(tmp_path: Path) -> None:
    """Three minutes, as cameras record them, are eight million samples and no bomb."""
    file = tmp_path / "camera.mov"
    with av.open(str(file), "w", options={"movflags": "faststart"}) as target:
        track = target.add_stream("pcm_s16le", rate=48000, layout="stereo")
        for place in range(0, 180 * 48000, 48000):
            frame = AudioFrame.from_ndarray(np.zeros((1, 96000), np.int16), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 48000, place
            target.mux(track.encode(frame))
        target.mux(track.encode(None))
    assert probe_audio(file, containers=frozenset({"mov"})).duration == pytest.approx(180)


CONCATENATED_HEADER: Final = decompression_bombs.box(b"ftyp", b"isom") + decompression_bombs.box(b"moov")


@pytest.mark.parametrize(
    "content",
    [
        CONCATENATED_HEADER * 2 + decompression_bombs.box(b"moof", b"tfhd\0\0\0\0" * 250_000),
        decompression_bombs.box(b"ftyp", b"isom") + decompression_bombs.box(b"free", b"trak" * 500_000),
        decompression_bombs.box(b"ftyp", b"isom") + decompression_bombs.box(b"free", b"trun" * 2_000_000),
        decompression_bombs.box(b"ftyp", b"isom")
        + decompression_bombs.box(b"free", b"stsc\0\0\0\0\x7f\xff\xff\xff" * 200_000),
    ],
    ids=["fragments", "tracks", "tables", "chunks"],
)
@pytest.mark.timeout(20)  # it took minutes to hours, and gigabytes
def test_an_index_is_scanned_only_once(content: bytes) -> None:
    with pytest.raises(InvalidMedia):
        probe_video(BytesIO(content))


def test_a_file_that_opens_too_slowly_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg compares each of its tags with all before it."""
    monkeypatch.setattr(header_limit, "MAX_HEADER_SECONDS", 0.2)
    tags = b"".join(struct.pack("<4sI", b"%04x" % number, 4) + b"abcd" for number in range(40_000))
    body = b"WAVE" + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16)
    body += struct.pack("<4sI4s", b"LIST", 4 + len(tags), b"INFO") + tags + struct.pack("<4sI", b"data", 16000)
    body += bytes(16000)
    with pytest.raises(InvalidMedia, match="too many tags"):
        probe_audio(BytesIO(struct.pack("<4sI", b"RIFF", len(body)) + body))
