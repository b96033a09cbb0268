"""Picture and sound that start or end at different times: times match a player's, or the file is rejected."""

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from deployments.local.emulators import audio as emulator_sound
from tests.support.media_factory import MediaSpec
from videojobs.errors import InvalidMedia
from videojobs.media.probe import probe_playback, probe_source_video, probe_video

LATE_START = Fraction(5400)
MP4 = MediaSpec(frame_rate=Fraction(25))
WEBM = MediaSpec(video_codec="libvpx", audio_codec="libopus")
FRAGMENTS = MediaSpec(options={"movflags": "frag_keyframe+empty_moov+delay_moov"})
FORMATS = [("mp4", MP4), ("mov", MP4), ("mp4", FRAGMENTS), ("webm", WEBM)]


@pytest.mark.parametrize(("ending", "film"), FORMATS)
@pytest.mark.parametrize("begins", [Fraction(0), LATE_START], ids=["from zero", "from an hour and a half"])
def test_a_video_track_that_starts_late_is_refused(
    tmp_path: Path, ending: str, film: MediaSpec, begins: Fraction
) -> None:
    late = replace(film, video_start=begins + Fraction(9, 5), audio_start=begins, audio_seconds=3.8)
    with pytest.raises(
        InvalidMedia, match=r"its audio begins 1\.8 s before its first frame.*; cut off the audio before"
    ):
        probe_source_video(late.write(tmp_path / f"late.{ending}"))


@pytest.mark.parametrize(("ending", "film"), FORMATS)
def test_a_slightly_late_video_track_passes(tmp_path: Path, ending: str, film: MediaSpec) -> None:
    """As encoders and recorders write it: B-frames without an edit list, the first AAC packets."""
    late = replace(film, video_start=Fraction(4, 25), audio_seconds=2.16)
    assert probe_source_video(late.write(tmp_path / f"late.{ending}")).duration == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(("ending", "film"), FORMATS)
def test_an_audio_track_that_starts_late_passes(tmp_path: Path, ending: str, film: MediaSpec) -> None:
    late = replace(film, audio_start=Fraction(1), audio_seconds=1)
    assert probe_source_video(late.write(tmp_path / f"late.{ending}")).duration == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(("ending", "film"), FORMATS)
def test_a_stream_excerpt_passes(tmp_path: Path, ending: str, film: MediaSpec) -> None:
    part = replace(film, video_start=LATE_START, audio_start=LATE_START)
    facts = probe_source_video(part.write(tmp_path / f"part.{ending}"), max_seconds=300)
    assert facts.duration == pytest.approx(2, abs=0.01)


def test_a_truncated_stream_excerpt_is_refused(tmp_path: Path) -> None:
    part = replace(WEBM, video_start=LATE_START, audio_start=LATE_START)
    content = part.write(tmp_path / "part.webm").read_bytes()
    with pytest.raises(InvalidMedia, match="the file is truncated"):
        probe_source_video(io.BytesIO(content[: len(content) // 2]))


def test_the_emulator_reads_a_stream_excerpt_from_its_start(tmp_path: Path) -> None:
    part = replace(MP4, video_start=LATE_START, audio_start=LATE_START).write(tmp_path / "part.mp4")
    assert emulator_sound.duration_of(emulator_sound.decode_audio(part)) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(("ending", "film"), FORMATS)
def test_audio_longer_than_the_video_is_refused(tmp_path: Path, ending: str, film: MediaSpec) -> None:
    path = replace(film, audio_seconds=5).write(tmp_path / f"long.{ending}")
    with pytest.raises(InvalidMedia, match=r"its last frame ends at 2\.0 s, but its audio at 5\.0 s; export"):
        probe_source_video(path)
    assert probe_video(path).duration == pytest.approx(2, abs=0.01)  # a paid vendor result is accepted
    assert probe_playback(path).total_seconds == pytest.approx(5, abs=0.05)


def test_slightly_longer_audio_passes(tmp_path: Path) -> None:
    assert probe_source_video(replace(MP4, audio_seconds=2.4).write(tmp_path / "long.mp4")).duration == 2
