"""Small files that would take gigabytes, or hours: refused with next to no memory, and at once.

Each is opened in a process of its own, which says how much more memory it has taken at its peak.
"""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from tests.media import bombs
from videojobs.errors import InvalidMedia
from videojobs.media.probe import inspect_audio, inspect_video

MOST_BYTES: Final = 64 * 1024**2  # above those of a process that has looked at no file
MOST_SECONDS: Final = 20  # Python's start included
_LOOK: Final = """
import resource, sys
from pathlib import Path
from videojobs.errors import InvalidMedia
from videojobs.media.probe import inspect_video
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
try: print(inspect_video(Path(sys.argv[1]), longest=300))
except InvalidMedia as error: print(error)
print(peak() - before)
"""


@pytest.fixture(scope="module")
def huge() -> bytes:
    return bombs.png(bombs.HUGE)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: bombs.endless_index(), "names more than a video of its size can have"),
        (lambda _: bombs.endless_fragment(), "names more than a video of its size can have"),
        (lambda _: bombs.packed_index(), "index is compressed"),
        (lambda huge: bombs.film([huge]), "no frame of the picture can be decoded"),
        (lambda huge: bombs.film([bombs.png(48), huge]), "no frame of the picture can be decoded"),
    ],
    ids=["an index without end", "a fragment without end", "a packed index", "a huge picture", "a huge second picture"],
)
def test_a_bomb_is_refused_without_going_off(
    tmp_path: Path, huge: bytes, make: Callable[[bytes], bytes], words: str
) -> None:
    file = tmp_path / "bomb.mp4"
    file.write_bytes(make(huge))
    assert file.stat().st_size < 5_000_000
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, file], capture_output=True, text=True, timeout=MOST_SECONDS, check=True
    )
    said, peak = done.stdout.splitlines()
    assert words in said
    assert int(peak) < MOST_BYTES


def test_more_pictures_than_any_camera_takes_are_not_decoded_to_their_end(tmp_path: Path) -> None:
    file = tmp_path / "many.mp4"
    file.write_bytes(bombs.film([bombs.png(16)] * 5000))
    with pytest.raises(InvalidMedia, match="there is more in it than 2 s can hold"):
        inspect_video(file, longest=2)


def test_a_sound_that_is_longer_than_it_says_is_not_decoded_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "silence.flac"
    with av.open(str(file), "w") as target:
        track = target.add_stream("flac", rate=8000, layout="mono")
        for place in range(0, 60 * 8000, 4000):
            frame = AudioFrame.from_ndarray(np.zeros((1, 4000), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts = 8000, place
            target.mux(track.encode(frame))
        target.mux(track.encode(None))
    content = bytearray(file.read_bytes())
    content[22:26] = (8000 * 2).to_bytes(4, "big")  # samples in all: two seconds, it says
    file.write_bytes(content)
    with pytest.raises(InvalidMedia, match="there is more in it than 3 s can hold"):
        inspect_audio(file, longest=3)


def test_raw_sound_has_as_many_samples_as_it_likes(tmp_path: Path) -> None:
    """Three minutes as cameras record them are eight million, and no bomb."""
    file = tmp_path / "camera.mov"
    with av.open(str(file), "w", options={"movflags": "faststart"}) as target:
        track = target.add_stream("pcm_s16le", rate=48000, layout="stereo")
        for place in range(0, 180 * 48000, 48000):
            frame = AudioFrame.from_ndarray(np.zeros((1, 96000), np.int16), format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 48000, place
            target.mux(track.encode(frame))
        target.mux(track.encode(None))
    assert inspect_audio(file, containers=frozenset({"mov"})).duration == pytest.approx(180)
