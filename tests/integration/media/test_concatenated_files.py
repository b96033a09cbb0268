"""Concatenated recordings in one file: a file is never silently cut in half, and no harmless file is rejected."""

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.media_factory import SAMPLE_RATE, MediaSpec, noisy_tone
from videojobs.errors import InvalidMedia
from videojobs.media.probe import probe_audio, probe_video

SEVERAL_RECORDINGS_MESSAGE = "several recordings, one after the other; join them"
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
UNTAGGED = {"write_xing": "0", "id3v2_version": "0"}
UNKNOWN_LENGTH = 0xFFFF_FFFF
PCM = noisy_tone(2).tobytes()


def audio_spec(codec: str, layout: str = "mono", **options: str) -> MediaSpec:
    return MediaSpec(video_codec=None, audio_codec=codec, channel_layout=layout, options=options)


def make_wav(*data_chunks: bytes, trailer: bytes = b"", rate: int = SAMPLE_RATE, length: int | None = None) -> bytes:
    """A WAV with a chunk of samples for each sound; `length` is its declared length, if that is wrong."""
    about = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    parts = b"".join(
        struct.pack("<4sI", b"data", len(each) if length is None else length) + each for each in data_chunks
    )
    content = b"WAVE" + about + parts + trailer
    return struct.pack("<4sI", b"RIFF", len(content) if length is None else length) + content


@pytest.mark.parametrize(
    ("ending", "first", "second"),
    [
        ("wav", audio_spec("pcm_s16le"), audio_spec("pcm_s16le")),
        ("wav", audio_spec("pcm_s24le"), audio_spec("pcm_s16le", "stereo")),
        ("wav", audio_spec("pcm_s16le", rf64="always"), audio_spec("pcm_s16le")),
        ("flac", audio_spec("flac"), audio_spec("flac")),
        ("ogg", audio_spec("libopus"), audio_spec("libopus")),
        ("ogg", audio_spec("libopus"), audio_spec("libopus", "stereo")),
        ("mp3", audio_spec("libmp3lame"), audio_spec("libmp3lame")),
        ("m4a", audio_spec("aac"), audio_spec("aac")),
        ("mp4", audio_spec("aac", **FRAGMENTS), audio_spec("aac", **FRAGMENTS)),
    ],
)
def test_two_joined_audio_files_are_refused(tmp_path: Path, ending: str, first: MediaSpec, second: MediaSpec) -> None:
    content = b"".join(film.write(tmp_path / f"clip.{ending}").read_bytes() for film in (first, second))
    with pytest.raises(InvalidMedia, match=SEVERAL_RECORDINGS_MESSAGE):
        probe_audio(io.BytesIO(content))


@pytest.mark.parametrize(
    ("ending", "film"),
    [
        ("mp4", MediaSpec()),
        ("mov", MediaSpec(options={"movflags": "faststart"})),
        ("mp4", MediaSpec(options=FRAGMENTS)),
        ("webm", MediaSpec(video_codec="libvpx", audio_codec="libopus")),
        ("mkv", MediaSpec()),
        ("avi", MediaSpec(video_codec="mpeg4", audio_codec="libmp3lame")),
    ],
)
def test_two_joined_videos_are_refused(tmp_path: Path, ending: str, film: MediaSpec) -> None:
    content = film.write(tmp_path / f"film.{ending}").read_bytes()
    with pytest.raises(InvalidMedia, match=SEVERAL_RECORDINGS_MESSAGE):
        probe_video(io.BytesIO(content * 2), containers={ending})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (make_wav(PCM), make_wav(PCM, length=UNKNOWN_LENGTH)),
        (make_wav(PCM, length=UNKNOWN_LENGTH), make_wav(PCM, rate=24_000)),
        (make_wav(PCM, length=0), make_wav(PCM, length=0)),
        (make_wav(PCM, trailer=b"LIST" + struct.pack("<I", 4) + b"INFO"), make_wav(PCM)),
    ],
    ids=["a second without a length", "a first without a length", "none with a length", "tags between"],
)
def test_two_joined_wavs_are_refused_at_any_declared_length(first: bytes, second: bytes) -> None:
    with pytest.raises(InvalidMedia, match=SEVERAL_RECORDINGS_MESSAGE):
        probe_audio(io.BytesIO(first + second))


def test_a_wav_with_two_data_chunks_is_refused() -> None:
    with pytest.raises(InvalidMedia, match="is in several parts, of which only one would be used"):
        probe_audio(io.BytesIO(make_wav(PCM, PCM)))


@pytest.mark.parametrize(
    "content",
    [
        make_wav(PCM, trailer=b"LIST" + struct.pack("<I", 10) + b"INFOISFT\0\0"),
        make_wav(PCM) + b"ID3\x04\0\0\0\0\0\x7f" + b"x" * 127,
        make_wav(PCM) + bytes(5000),
        make_wav(PCM) + b"RIFF",
        make_wav(PCM + b"\0") + b"\0",
    ],
    ids=["tags", "an MP3's tags", "zeros", "a word", "an odd length"],
)
def test_other_data_after_a_wav_is_allowed(content: bytes) -> None:
    assert probe_audio(io.BytesIO(content)).duration == pytest.approx(2)


@pytest.mark.parametrize("make", [lambda one, two: one + two, lambda one, two: two + one], ids=["slow", "fast"])
def test_two_mp3_of_different_rates_are_refused(tmp_path: Path, make: Callable[[bytes, bytes], bytes]) -> None:
    fast = audio_spec("libmp3lame", **UNTAGGED).write(tmp_path / "fast.mp3").read_bytes()
    slow = MediaSpec(video_codec=None, audio_codec="libmp3lame", options=UNTAGGED, audio_sample_rate=24_000).write(
        tmp_path / "slow.mp3"
    )
    says = r"the audio format changes within the file \(24000 Hz mono and 48000 Hz mono\); export it"
    with pytest.raises(InvalidMedia, match=says):
        probe_audio(io.BytesIO(make(slow.read_bytes(), fast)))


@pytest.mark.parametrize("make", [lambda one, two: one + two, lambda one, two: two + one], ids=["mono", "stereo"])
def test_a_mono_and_a_stereo_mp3_are_refused(tmp_path: Path, make: Callable[[bytes, bytes], bytes]) -> None:
    mono = audio_spec("libmp3lame", **UNTAGGED).write(tmp_path / "mono.mp3").read_bytes()
    stereo = audio_spec("libmp3lame", "stereo", **UNTAGGED).write(tmp_path / "stereo.mp3").read_bytes()
    with pytest.raises(InvalidMedia, match="the audio format changes within the file"):
        probe_audio(io.BytesIO(make(mono, stereo)))


def test_a_stream_that_repeats_its_beginning_is_one_recording(tmp_path: Path) -> None:
    """The repeated header holds no samples, and the times after it continue."""
    content = (
        MediaSpec(options={"movflags": "frag_keyframe+empty_moov+default_base_moof"})
        .write(tmp_path / "film.mp4")
        .read_bytes()
    )
    first, second = content.index(b"moof") - 4, content.rindex(b"moof") - 4
    assert first < second
    repeated = content[:second] + content[:first] + content[second:]
    assert probe_video(io.BytesIO(repeated)).frames == 50
