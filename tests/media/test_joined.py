"""Recordings one behind the other in one file: never half of it without a word, and no harmless file is refused."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.media.films import SAMPLE_RATE, Film, tone
from videojobs.errors import InvalidMedia
from videojobs.media.probe import inspect_audio, inspect_video

SEVERAL = "several recordings in the file, one behind the other; join them"
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
UNTAGGED = {"write_xing": "0", "id3v2_version": "0"}
UNKNOWN = 0xFFFF_FFFF
SOUND = tone(2).tobytes()


def sound(codec: str, layout: str = "mono", **options: str) -> Film:
    return Film(codec=None, sound=codec, layout=layout, options=options)


def wav(*sounds: bytes, behind: bytes = b"", rate: int = SAMPLE_RATE, length: int | None = None) -> bytes:
    """A WAV with a chunk of samples for each sound; `length` is what it says of itself, if it is not the truth."""
    about = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    parts = b"".join(struct.pack("<4sI", b"data", len(each) if length is None else length) + each for each in sounds)
    content = b"WAVE" + about + parts + behind
    return struct.pack("<4sI", b"RIFF", len(content) if length is None else length) + content


@pytest.mark.parametrize(
    ("ending", "first", "second"),
    [
        ("wav", sound("pcm_s16le"), sound("pcm_s16le")),
        ("wav", sound("pcm_s24le"), sound("pcm_s16le", "stereo")),
        ("wav", sound("pcm_s16le", rf64="always"), sound("pcm_s16le")),
        ("flac", sound("flac"), sound("flac")),
        ("ogg", sound("libopus"), sound("libopus")),
        ("ogg", sound("libopus"), sound("libopus", "stereo")),
        ("mp3", sound("libmp3lame"), sound("libmp3lame")),
        ("m4a", sound("aac"), sound("aac")),
        ("mp4", sound("aac", **FRAGMENTS), sound("aac", **FRAGMENTS)),
    ],
)
def test_two_sounds_in_one_file_are_refused(tmp_path: Path, ending: str, first: Film, second: Film) -> None:
    content = b"".join(film.write(tmp_path / f"clip.{ending}").read_bytes() for film in (first, second))
    with pytest.raises(InvalidMedia, match=SEVERAL):
        inspect_audio(io.BytesIO(content))


@pytest.mark.parametrize(
    ("ending", "film"),
    [
        ("mp4", Film()),
        ("mov", Film(options={"movflags": "faststart"})),
        ("mp4", Film(options=FRAGMENTS)),
        ("webm", Film(codec="libvpx", sound="libopus")),
        ("mkv", Film()),
        ("avi", Film(codec="mpeg4", sound="libmp3lame")),
    ],
)
def test_two_videos_in_one_file_are_refused(tmp_path: Path, ending: str, film: Film) -> None:
    content = film.write(tmp_path / f"film.{ending}").read_bytes()
    with pytest.raises(InvalidMedia, match=SEVERAL):
        inspect_video(io.BytesIO(content * 2), containers={ending})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (wav(SOUND), wav(SOUND, length=UNKNOWN)),
        (wav(SOUND, length=UNKNOWN), wav(SOUND, rate=24_000)),
        (wav(SOUND, length=0), wav(SOUND, length=0)),
        (wav(SOUND, behind=b"LIST" + struct.pack("<I", 4) + b"INFO"), wav(SOUND)),
    ],
    ids=["a second without a length", "a first without a length", "none with a length", "tags between"],
)
def test_two_wavs_are_refused_whatever_they_say_of_their_length(first: bytes, second: bytes) -> None:
    with pytest.raises(InvalidMedia, match=SEVERAL):
        inspect_audio(io.BytesIO(first + second))


def test_a_wav_with_its_sound_in_two_parts_is_refused() -> None:
    with pytest.raises(InvalidMedia, match="lies in several parts, of which only one would be heard"):
        inspect_audio(io.BytesIO(wav(SOUND, SOUND)))


@pytest.mark.parametrize(
    "content",
    [
        wav(SOUND, behind=b"LIST" + struct.pack("<I", 10) + b"INFOISFT\0\0"),
        wav(SOUND) + b"ID3\x04\0\0\0\0\0\x7f" + b"x" * 127,
        wav(SOUND) + bytes(5000),
        wav(SOUND) + b"RIFF",
        wav(SOUND + b"\0") + b"\0",
    ],
    ids=["tags", "an MP3's tags", "zeros", "a word", "an odd length"],
)
def test_what_is_no_sound_may_stand_behind_a_wav(content: bytes) -> None:
    assert inspect_audio(io.BytesIO(content)).duration == pytest.approx(2)


@pytest.mark.parametrize("make", [lambda one, two: one + two, lambda one, two: two + one], ids=["slow", "fast"])
def test_two_mp3_of_different_rates_are_refused(tmp_path: Path, make: Callable[[bytes, bytes], bytes]) -> None:
    fast = sound("libmp3lame", **UNTAGGED).write(tmp_path / "fast.mp3").read_bytes()
    slow = Film(codec=None, sound="libmp3lame", options=UNTAGGED, sound_rate=24_000).write(tmp_path / "slow.mp3")
    says = r"the sound changes in the middle \(24000 Hz mono and 48000 Hz mono\): convert it"
    with pytest.raises(InvalidMedia, match=says):
        inspect_audio(io.BytesIO(make(slow.read_bytes(), fast)))


@pytest.mark.parametrize("make", [lambda one, two: one + two, lambda one, two: two + one], ids=["mono", "stereo"])
def test_a_mono_and_a_stereo_mp3_are_refused(tmp_path: Path, make: Callable[[bytes, bytes], bytes]) -> None:
    mono = sound("libmp3lame", **UNTAGGED).write(tmp_path / "mono.mp3").read_bytes()
    stereo = sound("libmp3lame", "stereo", **UNTAGGED).write(tmp_path / "stereo.mp3").read_bytes()
    with pytest.raises(InvalidMedia, match="the sound changes in the middle"):
        inspect_audio(io.BytesIO(make(mono, stereo)))


def test_a_stream_that_repeats_its_beginning_is_one_recording(tmp_path: Path) -> None:
    """Such a beginning holds no samples, and the times behind it go on."""
    content = (
        Film(options={"movflags": "frag_keyframe+empty_moov+default_base_moof"})
        .write(tmp_path / "film.mp4")
        .read_bytes()
    )
    first, second = content.index(b"moof") - 4, content.rindex(b"moof") - 4
    assert first < second
    repeated = content[:second] + content[:first] + content[second:]
    assert inspect_video(io.BytesIO(repeated)).frames == 50
