"""Every kind of file that people really have is taken, and its facts are right."""

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from tests.media.films import Film, tone
from videojobs.media.probe import AudioFacts, VideoFacts, inspect_audio, inspect_video

PLAIN = VideoFacts(
    duration=2.0, width=64, height=48, frame_rate=25.0, frames=50, has_audio=True, container="mp4", size=0
)


@pytest.mark.parametrize(
    ("name", "film", "differences"),
    [
        ("plain.mp4", Film(), {}),
        ("index-in-front.mp4", Film(options={"movflags": "faststart"}), {}),
        ("in-fragments.mp4", Film(options={"movflags": "frag_keyframe+empty_moov"}), {}),
        ("quicktime.mov", Film(), {"container": "mov"}),
        ("vp9.webm", Film(codec="libvpx-vp9", sound="libopus"), {"container": "webm"}),
        (
            "odd-size.webm",
            Film(size=(65, 49), codec="libvpx", sound="libopus"),
            {"width": 65, "height": 49, "container": "webm"},
        ),
        (
            "old.avi",
            Film(codec="mpeg4", sound="libmp3lame"),
            {"container": "avi", "duration": pytest.approx(2, abs=0.05)},  # the first picture waits for the sound
        ),
        ("camera.avi", Film(codec="mjpeg", sound="pcm_s16le"), {"container": "avi"}),
        ("hevc.mp4", Film(codec="libx265"), {}),
        ("silent.mp4", Film(sound=None), {"has_audio": False}),
        ("stereo.mp4", Film(layout="stereo"), {}),
        ("longer-sound.mp4", Film(sound_seconds=3), {}),
        ("shorter-sound.webm", Film(codec="libvpx", sound="libopus", sound_seconds=1), {"container": "webm"}),
        ("24.mov", Film(rate=Fraction(24)), {"frame_rate": 24.0, "frames": 48, "container": "mov"}),
        (
            "29.97.mp4",
            Film(rate=Fraction(30_000, 1001)),
            {"frame_rate": pytest.approx(29.97, abs=0.001), "frames": 60, "duration": pytest.approx(2.002)},
        ),
        ("60.mp4", Film(rate=Fraction(60)), {"frame_rate": 60.0, "frames": 120}),
        (
            "uneven-rate.mp4",
            Film(uneven=True),
            {"duration": pytest.approx(2, abs=0.02), "frame_rate": pytest.approx(25, abs=0.6)},
        ),
        ("phone-held-upright.mp4", Film(rotation=90), {"width": 48, "height": 64}),
        ("phone-upside-down.mp4", Film(rotation=180), {}),
        ("oblong-pixels.mp4", Film(pixel_aspect=Fraction(4, 3)), {"width": 85}),
        ("oblong-as-only-the-pictures-say.avi", Film(pixel_aspect=Fraction(4, 3)), {"width": 85, "container": "avi"}),
        ("size-as-only-the-pictures-say.mp4", Film(codec="mpeg4"), {}),
        (
            "trimmed-on-a-phone.mp4",
            Film(hidden=10, options={"avoid_negative_ts": "disabled"}),
            {"frames": 40, "duration": 1.6},
        ),
        ("one-frame.mp4", Film(seconds=0.04, sound=None), {"frames": 1, "duration": 0.04, "has_audio": False}),
    ],
)  # fmt: skip
def test_a_good_video_passes_with_the_right_facts(
    tmp_path: Path, name: str, film: Film, differences: dict[str, object]
) -> None:
    path = film.write(tmp_path / name)
    facts = inspect_video(path)
    expected = {field: getattr(PLAIN, field) for field in PLAIN.__slots__}
    assert {field: getattr(facts, field) for field in facts.__slots__} == expected | {
        "size": path.stat().st_size,
        **differences,
    }


@pytest.mark.parametrize(
    ("name", "film", "container", "codec"),
    [
        ("clip.wav", Film(codec=None, sound="pcm_s16le"), "wav", "pcm_s16le"),
        ("clip.mp3", Film(codec=None, sound="libmp3lame"), "mp3", "mp3"),
        ("untagged.mp3", Film(codec=None, sound="libmp3lame", options={"write_xing": "0"}), "mp3", "mp3"),
        ("clip.ogg", Film(codec=None, sound="libopus"), "ogg", "opus"),
        ("lossless.ogg", Film(codec=None, sound="flac"), "ogg", "flac"),
        ("clip.flac", Film(codec=None, sound="flac"), "flac", "flac"),
        ("clip.m4a", Film(codec=None, sound="aac"), "mp4", "aac"),
        ("lossless.m4a", Film(codec=None, sound="alac"), "mp4", "alac"),
        ("sound-of-a-video.mp4", Film(), "mp4", "aac"),
    ],
)
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_a_good_sound_passes_with_the_right_facts(
    tmp_path: Path, name: str, film: Film, container: str, codec: str, layout: str
) -> None:
    path = Film(codec=film.codec, sound=film.sound, options=film.options, layout=layout).write(tmp_path / name)
    facts = inspect_audio(path)
    assert facts.duration == pytest.approx(2, abs=0.06)
    channels = 1 if layout == "mono" else 2
    assert replace(facts, duration=2.0) == AudioFacts(2.0, 48_000, channels, codec, container, path.stat().st_size)


@pytest.mark.parametrize("length", [0, 0x7FFF_F000, 0xFFFF_FFFF])
def test_a_wav_that_was_written_into_a_pipe_passes(length: int) -> None:
    samples = tone(2).tobytes()
    stated = length.to_bytes(4, "little")
    about = bytes.fromhex("0100 0100 80bb0000 00770100 0200 1000")  # PCM, mono, 48 kHz, 16 bits
    wav = b"RIFF" + stated + b"WAVEfmt " + len(about).to_bytes(4, "little") + about + b"data" + stated + samples
    assert inspect_audio(io.BytesIO(wav)).duration == pytest.approx(2)


def test_the_name_of_a_file_says_nothing(tmp_path: Path) -> None:
    path = Film().write(tmp_path / "clip.mp4")
    assert inspect_video(path.rename(tmp_path / "notes.txt")).container == "mp4"
