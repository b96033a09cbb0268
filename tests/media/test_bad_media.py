"""Everything that could not be worked on is refused before it costs anything, and the message says what to do."""

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

from tests.media.films import Film, tone
from videojobs.errors import InvalidMedia, TransferInterrupted
from videojobs.media.probe import inspect_audio, inspect_video

Spoil = Callable[[bytes], bytes]


def as_it_is(content: bytes) -> bytes:
    return content


def cut(share: float) -> Spoil:
    return lambda content: content[: int(len(content) * share)]


def rotten(content: bytes) -> bytes:
    """Thirty bits turned over in the middle."""
    spoilt, chance = bytearray(content), random.Random(1)
    for _ in range(30):
        spoilt[chance.randrange(len(content) // 4, len(content) * 3 // 4)] ^= 1 << chance.randrange(8)
    return bytes(spoilt)


def one_bit(content: bytes) -> bytes:
    """The least damage that there can be."""
    spoilt = bytearray(content)
    spoilt[len(content) // 2] ^= 1
    return bytes(spoilt)


def unknown(codec: bytes) -> Spoil:
    """The same with a codec that nobody knows."""
    return lambda content: content.replace(codec, b"zzzz")


def header_only(content: bytes) -> bytes:
    """All that stands before the first fragment of pictures and sounds."""
    return content[: content.index(b"moof") - 4]


def dumb(content: bytes) -> bytes:
    """Some of the sound, and nothing else, overwritten with nonsense."""
    spoilt = bytearray(content)
    with av.open(io.BytesIO(content), "r") as film:
        packets = list(film.demux(film.streams.audio[0]))
    for packet in packets[10:20]:
        assert packet.pos
        spoilt[packet.pos : packet.pos + packet.size] = b"\xaa" * packet.size
    return bytes(spoilt)


FAST_START = {"movflags": "faststart"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
SOUND_ONLY = Film(codec=None)


@pytest.mark.parametrize(
    ("ending", "film", "spoil", "message"),
    [
        ("mp4", Film(), cut(0), "empty"),
        ("mp4", Film(), cut(0.5), "ends in the middle: its index is missing"),
        ("mov", Film(), cut(0.9), "ends in the middle: its index is missing"),
        ("mp4", Film(options=FAST_START), cut(0.5), r"ends in the middle: \d+ of 50 frames"),
        ("mp4", Film(options=FAST_START), cut(0.9), r"ends in the middle: \d+ of 50 frames"),
        ("webm", Film(codec="libvpx", sound="libopus"), cut(0.5), r"ends in the middle: \d+ of 50 frames"),
        ("avi", Film(codec="mpeg4", sound="libmp3lame"), cut(0.5), r"ends in the middle: \d+ of 51 frames"),
        ("mp4", Film(), rotten, r"picture is damaged: \d+ of 50 frames"),
        ("mp4", Film(options=FAST_START), rotten, r"picture is damaged: \d+ of 50 frames"),
        ("mp4", Film(options=FRAGMENTS), header_only, "no frame of the picture can be decoded"),
        ("mp4", Film(), dumb, r"sound is damaged: \d+ of \d+ pieces"),
        ("mp4", Film(), unknown(b"avc1"), "convert it to H.264"),
        ("mp4", Film(sound="alac"), unknown(b"alac"), "convert it to AAC"),
        ("mp4", SOUND_ONLY, as_it_is, "no moving picture"),
        ("mp3", Film(codec=None, sound="libmp3lame"), as_it_is, "no moving picture"),
        ("webm", Film(codec="libvpx", sound=None, options={"live": "1"}), as_it_is, "does not say how long"),
        ("mkv", Film(), as_it_is, "MKV, which is not taken here; convert it to one of AVI, MOV, MP4, WEBM"),
        ("3gp", Film(), as_it_is, "3GP, which is not taken"),
        ("avif", Film(seconds=0.04, codec="libsvtav1", sound=None), as_it_is, "AVIF, which is not taken"),
    ],
)
def test_a_video_that_cannot_be_used_is_refused(
    tmp_path: Path, ending: str, film: Film, spoil: Spoil, message: str
) -> None:
    content = spoil(film.write(tmp_path / f"film.{ending}").read_bytes())
    with pytest.raises(InvalidMedia, match=message):
        inspect_video(io.BytesIO(content))


def picture() -> bytes:
    return bytes(cv2.imencode(".png", np.zeros((20, 20, 3), np.uint8))[1])


def test_the_cover_of_a_song_makes_no_video_of_it(tmp_path: Path) -> None:
    with av.open(tmp_path / "song.mp3", "w") as song:
        sound = song.add_stream("libmp3lame", rate=48_000, layout="mono")
        cover = song.add_stream("png", rate=1)
        cover.width, cover.height, cover.pix_fmt = 20, 20, "rgb24"
        cover.disposition = Disposition.attached_pic
        song.mux(cover.encode(VideoFrame.from_ndarray(np.zeros((20, 20, 3), np.uint8), format="rgb24")))
        song.mux(cover.encode(None))
        heard = AudioFrame.from_ndarray(tone(1), format="s16p", layout="mono")
        heard.sample_rate = 48_000
        song.mux(sound.encode(heard))
        song.mux(sound.encode(None))
    assert inspect_audio(tmp_path / "song.mp3").duration == pytest.approx(1, abs=0.1)
    with pytest.raises(InvalidMedia, match="no moving picture"):
        inspect_video(tmp_path / "song.mp3")


@pytest.mark.parametrize("inspect", [inspect_video, inspect_audio])
@pytest.mark.parametrize(
    "content",
    [
        b"Dear editor, please find attached the video.\n" * 100,
        random.Random(3).randbytes(100_000),
        picture(),
        b"#EXTM3U\n#EXTINF:10,\nfile:///etc/hostname\n",
        b"ffconcat version 1.0\nfile /etc/hostname\n",
        b"<html><body>Please log in</body></html>",
        b"\x00",
    ],
    ids=["a text", "random bytes", "a picture", "a playlist", "a list of files", "a web page", "one byte"],
)
def test_what_is_no_media_is_refused(tmp_path: Path, inspect: Callable[[Path], object], content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(InvalidMedia, match="known format") as caught:
        inspect(path)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("ending", "film", "spoil", "message"),
    [
        ("wav", Film(codec=None, sound="pcm_s16le"), cut(0), "empty"),
        ("mp4", Film(sound=None), as_it_is, "no sound in the file"),
        ("m4a", Film(codec=None), cut(0.5), "its index is missing"),
        ("m4a", Film(codec=None), rotten, r"sound is damaged: \d+ of \d+ pieces"),
        ("wav", Film(codec=None, sound="pcm_s16le"), cut(0.5), r"ends in the middle: 1\.0 s"),
        ("wav", Film(codec=None, sound="pcm_s16le"), lambda content: content[:78], "no sound can be decoded"),
        ("mp3", Film(codec=None, sound="libmp3lame"), cut(0.5), "sound ends in the middle"),
        ("flac", Film(codec=None, sound="flac"), cut(0.5), "sound ends in the middle"),
        ("flac", Film(codec=None, sound="flac"), rotten, r"sound (ends in the middle|is damaged)"),
        ("flac", Film(codec=None, sound="flac"), one_bit, r"sound is damaged: 1 of \d+ pieces"),
        ("ogg", Film(codec=None, sound="libopus"), cut(0.5), "ends in the middle"),
        ("ogg", Film(codec=None, sound="libopus", seconds=8), cut(0.5), "sound ends in the middle"),
        ("ogg", Film(codec=None, sound="libopus", seconds=8), rotten, r"sound (is damaged|ends in the middle)"),
        ("webm", Film(codec=None, sound="libopus"), as_it_is, "WEBM, which is not taken here"),
    ],
)  # fmt: skip
def test_a_sound_that_cannot_be_used_is_refused(
    tmp_path: Path, ending: str, film: Film, spoil: Spoil, message: str
) -> None:
    content = spoil(film.write(tmp_path / f"clip.{ending}").read_bytes())
    with pytest.raises(InvalidMedia, match=message):
        inspect_audio(io.BytesIO(content))


def test_a_picture_too_large_to_decode_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidMedia, match="64 x 48 pixels, and 3,071 in all are the most; make it smaller"):
        inspect_video(Film().write(tmp_path / "film.mp4"), most_pixels=64 * 48 - 1)


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.avi"])
def test_a_file_with_more_tracks_than_any_camera_writes_is_refused(tmp_path: Path, name: str) -> None:
    with av.open(tmp_path / name, "w") as film:
        tracks = [film.add_stream("mpeg4", rate=25) for _ in range(40)]
        for track in tracks:
            track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        for track in tracks:
            frame = VideoFrame(64, 48, "yuv420p")
            frame.pts = 0
            film.mux([*track.encode(frame), *track.encode(None)])
    with pytest.raises(InvalidMedia, match="more than 24 tracks; export it with one picture and one sound"):
        inspect_video(tmp_path / name, containers=frozenset({"mp4", "mkv", "avi"}))


@pytest.mark.parametrize("inspect", [inspect_video, inspect_audio])
def test_a_file_longer_than_the_limit_is_refused_without_decoding_it(
    tmp_path: Path, inspect: Callable[..., object]
) -> None:
    content = rotten(Film(seconds=8, options=FAST_START).write(tmp_path / "film.mp4").read_bytes())
    with pytest.raises(InvalidMedia, match="8 s long, and 5 s is the limit"):
        inspect(io.BytesIO(content), longest=5)


def test_which_containers_are_taken_is_a_setting(tmp_path: Path) -> None:
    path = Film().write(tmp_path / "film.mkv")
    assert inspect_video(path, containers={"mkv"}).container == "mkv"


class Breaking(io.BytesIO):
    """A file on a network that goes away."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 20_000:
            raise TransferInterrupted("the storage is gone")
        return super().read(size)


def test_a_source_that_breaks_off_is_not_taken_for_a_damaged_file(tmp_path: Path) -> None:
    source: BinaryIO = Breaking(Film(options=FAST_START).write(tmp_path / "film.mp4").read_bytes())
    with pytest.raises(TransferInterrupted, match="the storage is gone"):
        inspect_video(source)
