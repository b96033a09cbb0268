"""Picture and sound that begin or end apart: times mean what a player shows, or the file is refused."""

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from deployments.local.emulators import sound as emulator_sound
from tests.media.films import Film
from videojobs.errors import InvalidMedia
from videojobs.media.probe import inspect_playing, inspect_source_video, inspect_video

HOURS = Fraction(5400)
PLAIN = Film(rate=Fraction(25))
WEBM = Film(codec="libvpx", sound="libopus")
FRAGMENTS = Film(options={"movflags": "frag_keyframe+empty_moov+delay_moov"})
KINDS = [("mp4", PLAIN), ("mov", PLAIN), ("mp4", FRAGMENTS), ("webm", WEBM)]


@pytest.mark.parametrize(("ending", "film"), KINDS)
@pytest.mark.parametrize("begins", [Fraction(0), HOURS], ids=["from zero", "from an hour and a half"])
def test_a_picture_that_begins_after_the_sound_is_refused(
    tmp_path: Path, ending: str, film: Film, begins: Fraction
) -> None:
    late = replace(film, picture_start=begins + Fraction(9, 5), sound_start=begins, sound_seconds=3.8)
    with pytest.raises(InvalidMedia, match=r"its sound begins 1\.8 s before its picture.*; cut off what comes before"):
        inspect_source_video(late.write(tmp_path / f"late.{ending}"))


@pytest.mark.parametrize(("ending", "film"), KINDS)
def test_a_picture_that_begins_a_moment_later_passes(tmp_path: Path, ending: str, film: Film) -> None:
    """As encoders and recorders have it: B-frames without an edit list, the first pieces of AAC."""
    late = replace(film, picture_start=Fraction(4, 25), sound_seconds=2.16)
    assert inspect_source_video(late.write(tmp_path / f"late.{ending}")).duration == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(("ending", "film"), KINDS)
def test_a_sound_that_begins_after_the_picture_passes(tmp_path: Path, ending: str, film: Film) -> None:
    late = replace(film, sound_start=Fraction(1), sound_seconds=1)
    assert inspect_source_video(late.write(tmp_path / f"late.{ending}")).duration == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize(("ending", "film"), KINDS)
def test_a_part_of_a_long_stream_passes(tmp_path: Path, ending: str, film: Film) -> None:
    part = replace(film, picture_start=HOURS, sound_start=HOURS)
    facts = inspect_source_video(part.write(tmp_path / f"part.{ending}"), longest=300)
    assert facts.duration == pytest.approx(2, abs=0.01)


def test_a_part_of_a_long_stream_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    part = replace(WEBM, picture_start=HOURS, sound_start=HOURS)
    content = part.write(tmp_path / "part.webm").read_bytes()
    with pytest.raises(InvalidMedia, match="the file ends in the middle"):
        inspect_source_video(io.BytesIO(content[: len(content) // 2]))


def test_the_vendor_s_stand_in_hears_a_part_of_a_long_stream_from_its_beginning(tmp_path: Path) -> None:
    part = replace(PLAIN, picture_start=HOURS, sound_start=HOURS).write(tmp_path / "part.mp4")
    assert emulator_sound.seconds_of(emulator_sound.decode(part)) == pytest.approx(2, abs=0.05)


@pytest.mark.parametrize(("ending", "film"), KINDS)
def test_a_sound_that_goes_on_behind_the_last_picture_is_refused(tmp_path: Path, ending: str, film: Film) -> None:
    path = replace(film, sound_seconds=5).write(tmp_path / f"long.{ending}")
    with pytest.raises(InvalidMedia, match=r"its picture ends at 2\.0 s, but its sound goes on until 5\.0 s; export"):
        inspect_source_video(path)
    assert inspect_video(path).duration == pytest.approx(2, abs=0.01)  # what a vendor made and was paid for is taken
    assert inspect_playing(path).seconds == pytest.approx(5, abs=0.05)


def test_a_sound_that_ends_a_moment_later_passes(tmp_path: Path) -> None:
    assert inspect_source_video(replace(PLAIN, sound_seconds=2.4).write(tmp_path / "long.mp4")).duration == 2
