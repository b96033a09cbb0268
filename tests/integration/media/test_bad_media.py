"""Every unusable file is rejected before it costs anything, with a message that says what to do."""

import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import av
import cv2
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.stream import Disposition
from av.video.frame import VideoFrame

from tests.support.media_factory import MediaSpec, noisy_tone
from videojobs.errors import InvalidMedia, TransferInterrupted
from videojobs.media.probe import probe_audio, probe_video

Corruption = Callable[[bytes], bytes]


def unchanged(content: bytes) -> bytes:
    return content


def truncate(share: float) -> Corruption:
    return lambda content: content[: int(len(content) * share)]


def flip_bits(content: bytes) -> bytes:
    """Flips thirty bits in the middle."""
    spoilt, chance = bytearray(content), random.Random(1)
    for _ in range(30):
        spoilt[chance.randrange(len(content) // 4, len(content) * 3 // 4)] ^= 1 << chance.randrange(8)
    return bytes(spoilt)


def flip_one_bit(content: bytes) -> bytes:
    """Flips one bit: the smallest possible damage."""
    spoilt = bytearray(content)
    spoilt[len(content) // 2] ^= 1
    return bytes(spoilt)


def unknown_codec(codec: bytes) -> Corruption:
    """The same file with an unknown codec."""
    return lambda content: content.replace(codec, b"zzzz")


def truncate_to_header(content: bytes) -> bytes:
    """Everything before the first fragment of pictures and sounds."""
    return content[: content.index(b"moof") - 4]


def corrupt_audio(content: bytes) -> bytes:
    """Overwrites part of the sound, and nothing else, with garbage."""
    spoilt = bytearray(content)
    with av.open(io.BytesIO(content), "r") as film:
        packets = list(film.demux(film.streams.audio[0]))
    for packet in packets[10:20]:
        assert packet.pos
        spoilt[packet.pos : packet.pos + packet.size] = b"\xaa" * packet.size
    return bytes(spoilt)


FAST_START = {"movflags": "faststart"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
AUDIO_ONLY = MediaSpec(video_codec=None)


@pytest.mark.parametrize(
    ("ending", "film", "corrupt", "message"),
    [
        ("mp4", MediaSpec(), truncate(0), "empty"),
        ("mp4", MediaSpec(), truncate(0.5), "is truncated: its index is missing"),
        ("mov", MediaSpec(), truncate(0.9), "is truncated: its index is missing"),
        ("mp4", MediaSpec(options=FAST_START), truncate(0.5), r"is truncated: \d+ of 50 frames"),
        ("mp4", MediaSpec(options=FAST_START), truncate(0.9), r"is truncated: \d+ of 50 frames"),
        (
            "webm",
            MediaSpec(video_codec="libvpx", audio_codec="libopus"),
            truncate(0.5),
            r"is truncated: \d+ of 50 frames",
        ),
        (
            "avi",
            MediaSpec(video_codec="mpeg4", audio_codec="libmp3lame"),
            truncate(0.5),
            r"is truncated: \d+ of 51 frames",
        ),
        ("mp4", MediaSpec(), flip_bits, r"video is damaged: \d+ of 50 frames"),
        ("mp4", MediaSpec(options=FAST_START), flip_bits, r"video is damaged: \d+ of 50 frames"),
        ("mp4", MediaSpec(options=FRAGMENTS), truncate_to_header, "no video frame can be decoded"),
        ("mp4", MediaSpec(), corrupt_audio, r"audio is damaged: \d+ of \d+ packets"),
        ("mp4", MediaSpec(), unknown_codec(b"avc1"), "convert it to H.264"),
        ("mp4", MediaSpec(audio_codec="alac"), unknown_codec(b"alac"), "convert it to AAC"),
        ("mp4", AUDIO_ONLY, unchanged, "no video track"),
        ("mp3", MediaSpec(video_codec=None, audio_codec="libmp3lame"), unchanged, "no video track"),
        (
            "webm",
            MediaSpec(video_codec="libvpx", audio_codec=None, options={"live": "1"}),
            unchanged,
            "does not declare its length",
        ),
        ("mkv", MediaSpec(), unchanged, "MKV files are not accepted; convert it to one of AVI, MOV, MP4, WEBM"),
        ("3gp", MediaSpec(), unchanged, "3GP files are not accepted"),
        (
            "avif",
            MediaSpec(seconds=0.04, video_codec="libsvtav1", audio_codec=None),
            unchanged,
            "AVIF files are not accepted",
        ),
    ],
)
def test_an_unusable_video_is_refused(
    tmp_path: Path, ending: str, film: MediaSpec, corrupt: Corruption, message: str
) -> None:
    content = corrupt(film.write(tmp_path / f"film.{ending}").read_bytes())
    with pytest.raises(InvalidMedia, match=message):
        probe_video(io.BytesIO(content))


def png_image() -> bytes:
    return bytes(cv2.imencode(".png", np.zeros((20, 20, 3), np.uint8))[1])


def test_a_song_with_cover_art_is_not_a_video(tmp_path: Path) -> None:
    with av.open(tmp_path / "song.mp3", "w") as song:
        sound = song.add_stream("libmp3lame", rate=48_000, layout="mono")
        cover = song.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 20, 20, "rgb24"
        cover.disposition = Disposition.attached_pic
        song.mux(cover.encode(VideoFrame.from_ndarray(np.zeros((20, 20, 3), np.uint8), format="rgb24")))
        song.mux(cover.encode(None))
        heard = AudioFrame.from_ndarray(noisy_tone(1), format="s16p", layout="mono")
        heard.sample_rate = 48_000
        song.mux(sound.encode(heard))
        song.mux(sound.encode(None))
    assert probe_audio(tmp_path / "song.mp3").duration == pytest.approx(1, abs=0.1)
    with pytest.raises(InvalidMedia, match="no video track"):
        probe_video(tmp_path / "song.mp3")


@pytest.mark.parametrize("inspect", [probe_video, probe_audio])
@pytest.mark.parametrize(
    "content",
    [
        b"Dear editor, please find attached the video.\n" * 100,
        random.Random(3).randbytes(100_000),
        png_image(),
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hostname\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
        b"<html><body>Please log in</body></html>",
        b"\x00",
    ],
    ids=["a text", "random bytes", "a picture", "a playlist", "a list of files", "a web page", "one byte"],
)
def test_a_file_that_is_not_media_is_refused(tmp_path: Path, inspect: Callable[[Path], object], content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(InvalidMedia, match="supported format") as caught:
        inspect(path)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("ending", "film", "corrupt", "message"),
    [
        ("wav", MediaSpec(video_codec=None, audio_codec="pcm_s16le"), truncate(0), "empty"),
        ("mp4", MediaSpec(audio_codec=None), unchanged, "no audio track"),
        ("m4a", MediaSpec(video_codec=None), truncate(0.5), "its index is missing"),
        ("m4a", MediaSpec(video_codec=None), flip_bits, r"audio is damaged: \d+ of \d+ packets"),
        ("wav", MediaSpec(video_codec=None, audio_codec="pcm_s16le"), truncate(0.5), r"is truncated: only 1\.0 s"),
        (
            "wav",
            MediaSpec(video_codec=None, audio_codec="pcm_s16le"),
            lambda content: content[:78],
            "no audio can be decoded",
        ),
        ("mp3", MediaSpec(video_codec=None, audio_codec="libmp3lame"), truncate(0.5), "audio is truncated"),
        ("flac", MediaSpec(video_codec=None, audio_codec="flac"), truncate(0.5), "audio is truncated"),
        ("flac", MediaSpec(video_codec=None, audio_codec="flac"), flip_bits, r"audio is (truncated|damaged)"),
        ("flac", MediaSpec(video_codec=None, audio_codec="flac"), flip_one_bit, r"audio is damaged: 1 of \d+ packets"),
        ("ogg", MediaSpec(video_codec=None, audio_codec="libopus"), truncate(0.5), "is truncated"),
        (
            "ogg",
            MediaSpec(video_codec=None, audio_codec="libopus", seconds=8),
            truncate(0.5),
            "audio is truncated",
        ),
        (
            "ogg",
            MediaSpec(video_codec=None, audio_codec="libopus", seconds=8),
            flip_bits,
            r"audio is (damaged|truncated)",
        ),
        ("webm", MediaSpec(video_codec=None, audio_codec="libopus"), unchanged, "WEBM files are not accepted"),
    ],
)  # fmt: skip
def test_an_unusable_audio_is_refused(
    tmp_path: Path, ending: str, film: MediaSpec, corrupt: Corruption, message: str
) -> None:
    content = corrupt(film.write(tmp_path / f"clip.{ending}").read_bytes())
    with pytest.raises(InvalidMedia, match=message):
        probe_audio(io.BytesIO(content))


def test_a_picture_too_large_to_decode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidMedia, match="64 x 48 pixels; the maximum is 3,071 in all: make it smaller"):
        probe_video(MediaSpec().write(tmp_path / "film.mp4"), max_pixels=64 * 48 - 1)


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi"])
def test_a_file_with_too_many_tracks_is_refused(tmp_path: Path, name: str) -> None:
    with av.open(tmp_path / name, "w") as film:
        tracks = [film.add_stream("mpeg4", rate=25) for _ in range(40)]
        for track in tracks:
            track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        for track in tracks:
            frame = VideoFrame(64, 48, "yuv420p")
            frame.pts = 0
            film.mux([*track.encode(frame), *track.encode(None)])
    with pytest.raises(InvalidMedia, match="more than 24 tracks; export it with one video and one audio track"):
        probe_video(tmp_path / name, containers=frozenset({"mp4", "mkv", "avi"}))


@pytest.mark.parametrize("inspect", [probe_video, probe_audio])
def test_a_too_long_file_is_refused_without_decoding_it(tmp_path: Path, inspect: Callable[..., object]) -> None:
    content = flip_bits(MediaSpec(seconds=8, options=FAST_START).write(tmp_path / "film.mp4").read_bytes())
    with pytest.raises(InvalidMedia, match="8 s long; the limit is 5 s"):
        inspect(io.BytesIO(content), max_seconds=5)


def test_allowed_containers_are_a_setting(tmp_path: Path) -> None:
    path = MediaSpec().write(tmp_path / "film.mkv")
    assert probe_video(path, containers={"mkv"}).container == "mkv"


class InterruptedFile(io.BytesIO):
    """A file on a network that fails."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 20_000:
            raise TransferInterrupted("the storage is gone")
        return super().read(size)


def test_an_interrupted_read_is_not_reported_as_a_damaged_file(tmp_path: Path) -> None:
    source: BinaryIO = InterruptedFile(MediaSpec(options=FAST_START).write(tmp_path / "film.mp4").read_bytes())
    with pytest.raises(TransferInterrupted, match="the storage is gone"):
        probe_video(source)
