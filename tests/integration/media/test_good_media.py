"""Every kind of file that users have is accepted, with the right facts."""

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from tests.support.media_factory import MediaSpec, noisy_tone
from videojobs.media.facts import AudioFacts, VideoFacts
from videojobs.media.probe import probe_audio, probe_video

EXPECTED_FACTS = VideoFacts(
    duration=2.0, width=64, height=48, frame_rate=25.0, frames=50, has_audio=True, container="mp4", size=0
)


@pytest.mark.parametrize(
    ("name", "film", "differences"),
    [
        ("plain.mp4", MediaSpec(), {}),
        ("index-in-front.mp4", MediaSpec(options={"movflags": "faststart"}), {}),
        ("in-fragments.mp4", MediaSpec(options={"movflags": "frag_keyframe+empty_moov"}), {}),
        ("quicktime.mov", MediaSpec(), {"container": "mov"}),
        ("vp9.webm", MediaSpec(video_codec="libvpx-vp9", audio_codec="libopus"), {"container": "webm"}),
        (
            "odd-size.webm",
            MediaSpec(size=(65, 49), video_codec="libvpx", audio_codec="libopus"),
            {"width": 65, "height": 49, "container": "webm"},
        ),
        (
            "old.avi",
            MediaSpec(video_codec="mpeg4", audio_codec="libmp3lame"),
            {"container": "avi", "duration": pytest.approx(2, abs=0.05)},  # the first frame waits for the sound
        ),
        ("camera.avi", MediaSpec(video_codec="mjpeg", audio_codec="pcm_s16le"), {"container": "avi"}),
        ("hevc.mp4", MediaSpec(video_codec="libx265"), {}),
        ("silent.mp4", MediaSpec(audio_codec=None), {"has_audio": False}),
        ("stereo.mp4", MediaSpec(channel_layout="stereo"), {}),
        ("longer-sound.mp4", MediaSpec(audio_seconds=3), {}),
        (
            "shorter-sound.webm",
            MediaSpec(video_codec="libvpx", audio_codec="libopus", audio_seconds=1),
            {"container": "webm"},
        ),
        ("24.mov", MediaSpec(frame_rate=Fraction(24)), {"frame_rate": 24.0, "frames": 48, "container": "mov"}),
        (
            "29.97.mp4",
            MediaSpec(frame_rate=Fraction(30_000, 1001)),
            {"frame_rate": pytest.approx(29.97, abs=0.001), "frames": 60, "duration": pytest.approx(2.002)},
        ),
        ("60.mp4", MediaSpec(frame_rate=Fraction(60)), {"frame_rate": 60.0, "frames": 120}),
        (
            "uneven-rate.mp4",
            MediaSpec(variable_frame_rate=True),
            {"duration": pytest.approx(2, abs=0.02), "frame_rate": pytest.approx(25, abs=0.6)},
        ),
        ("phone-held-upright.mp4", MediaSpec(rotation=90), {"width": 48, "height": 64}),
        ("phone-upside-down.mp4", MediaSpec(rotation=180), {}),
        ("oblong-pixels.mp4", MediaSpec(pixel_aspect=Fraction(4, 3)), {"width": 85}),
        (
            "oblong-as-only-the-pictures-say.avi",
            MediaSpec(pixel_aspect=Fraction(4, 3)),
            {"width": 85, "container": "avi"},
        ),
        ("size-as-only-the-pictures-say.mp4", MediaSpec(video_codec="mpeg4"), {}),
        (
            "trimmed-on-a-phone.mp4",
            MediaSpec(hidden_frames=10, options={"avoid_negative_ts": "disabled"}),
            {"frames": 40, "duration": 1.6},
        ),
        (
            "one-frame.mp4",
            MediaSpec(seconds=0.04, audio_codec=None),
            {"frames": 1, "duration": 0.04, "has_audio": False},
        ),
    ],
)  # fmt: skip
def test_a_good_video_passes_with_the_right_facts(
    tmp_path: Path, name: str, film: MediaSpec, differences: dict[str, object]
) -> None:
    path = film.write(tmp_path / name)
    facts = probe_video(path)
    expected = {field: getattr(EXPECTED_FACTS, field) for field in EXPECTED_FACTS.__slots__}
    assert {field: getattr(facts, field) for field in facts.__slots__} == expected | {
        "size": path.stat().st_size,
        **differences,
    }


@pytest.mark.parametrize(
    ("name", "film", "container", "codec"),
    [
        ("clip.wav", MediaSpec(video_codec=None, audio_codec="pcm_s16le"), "wav", "pcm_s16le"),
        ("clip.mp3", MediaSpec(video_codec=None, audio_codec="libmp3lame"), "mp3", "mp3"),
        (
            "untagged.mp3",
            MediaSpec(video_codec=None, audio_codec="libmp3lame", options={"write_xing": "0"}),
            "mp3",
            "mp3",
        ),
        ("clip.ogg", MediaSpec(video_codec=None, audio_codec="libopus"), "ogg", "opus"),
        ("lossless.ogg", MediaSpec(video_codec=None, audio_codec="flac"), "ogg", "flac"),
        ("clip.flac", MediaSpec(video_codec=None, audio_codec="flac"), "flac", "flac"),
        ("clip.m4a", MediaSpec(video_codec=None, audio_codec="aac"), "mp4", "aac"),
        ("lossless.m4a", MediaSpec(video_codec=None, audio_codec="alac"), "mp4", "alac"),
        ("sound-of-a-video.mp4", MediaSpec(), "mp4", "aac"),
    ],
)
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_a_good_sound_passes_with_the_right_facts(
    tmp_path: Path, name: str, film: MediaSpec, container: str, codec: str, layout: str
) -> None:
    path = MediaSpec(
        video_codec=film.video_codec, audio_codec=film.audio_codec, options=film.options, channel_layout=layout
    ).write(tmp_path / name)
    facts = probe_audio(path)
    assert facts.duration == pytest.approx(2, abs=0.06)
    channels = 1 if layout == "mono" else 2
    assert replace(facts, duration=2.0) == AudioFacts(2.0, 48_000, channels, codec, container, path.stat().st_size)


@pytest.mark.parametrize("length", [0, 0x7FFF_F000, 0xFFFF_FFFF])
def test_a_wav_that_was_written_into_a_pipe_passes(length: int) -> None:
    samples = noisy_tone(2).tobytes()
    stated = length.to_bytes(4, "little")
    about = bytes.fromhex("0100 0100 80bb0000 00770100 0200 1000")  # PCM, mono, 48 kHz, 16 bits
    wav = b"RIFF" + stated + b"WAVEfmt " + len(about).to_bytes(4, "little") + about + b"data" + stated + samples
    assert probe_audio(io.BytesIO(wav)).duration == pytest.approx(2)


def test_the_file_name_does_not_matter(tmp_path: Path) -> None:
    path = MediaSpec().write(tmp_path / "clip.mp4")
    assert probe_video(path.rename(tmp_path / "notes.txt")).container == "mp4"
