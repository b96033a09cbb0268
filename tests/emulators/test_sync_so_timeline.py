"""Sync.so emulator: what segments and modes do to time, as arithmetic."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.local.emulators.sync_so.timeline import (
    Cue,
    SegmentLength,
    SyncMode,
    picture_order,
    pieces,
    total,
)

RATE = Fraction(10)


@pytest.mark.parametrize(
    ("mode", "sound", "shown"),
    [
        ("remap", 0.8, [2, 2, 3, 3, 4, 4, 5, 5]),
        ("remap", 0.2, [2, 4]),
        ("cut_off", 0.8, [2, 3, 4, 5]),
        ("cut_off", 0.2, [2, 3]),
        ("silence", 0.6, [2, 3, 4, 5, 5, 5]),
        ("silence", 0.2, [2, 3, 4, 5]),
        ("loop", 0.6, [2, 3, 4, 5, 2, 3]),
        ("loop", 0.2, [2, 3]),
        ("bounce", 1.0, [2, 3, 4, 5, 5, 5, 4, 3, 2, 3]),
        ("bounce", 0.2, [2, 3]),
    ],
)
def test_each_mode_fits_the_picture_to_the_sound(mode: SyncMode, sound: float, shown: list[int]) -> None:
    parts = pieces([Cue(0.2, 0.6, sound, mode)], 1.0, "changes")
    assert picture_order(parts, RATE, 10) == [0, 1, *shown, 6, 7, 8, 9]


@pytest.mark.parametrize(("length", "more"), [("changes", 1.0), ("kept", 0.0), ("odd", 2.0)])
def test_the_switch_settles_how_long_the_result_is(length: SegmentLength, more: float) -> None:
    parts = pieces([Cue(0.2, 0.6, 1.4, "remap")], 1.0, length)
    assert total(parts) == pytest.approx(1.0 + more)


def test_segments_may_come_in_any_order() -> None:
    late, early = Cue(0.5, 0.7, 0.4, "remap"), Cue(0.1, 0.2, 0.1, "remap")
    assert picture_order(pieces([late, early], 1.0, "changes"), RATE, 10) == [0, 1, 2, 3, 4, 5, 5, 6, 6, 7, 8, 9]


def test_an_empty_segment_changes_nothing() -> None:
    assert picture_order(pieces([Cue(0.3, 0.3, 2.0, "remap")], 1.0, "changes"), RATE, 10) == list(range(10))


@given(
    bounds=st.lists(st.floats(0, 5), min_size=2, max_size=8, unique=True).map(sorted),
    sounds=st.lists(st.floats(0.05, 6), min_size=4, max_size=4),
    mode=st.sampled_from(["remap", "cut_off", "silence", "loop", "bounce"]),
    rate=st.sampled_from([Fraction(25), Fraction(30_000, 1001), Fraction(12)]),
)
def test_every_result_is_as_long_as_its_pieces_and_shows_only_pictures_that_exist(
    bounds: list[float], sounds: list[float], mode: SyncMode, rate: Fraction
) -> None:
    frames = int(5 * rate)
    ranges = zip(bounds[::2], bounds[1::2], strict=False)
    cues = [Cue(start, end, sound, mode) for (start, end), sound in zip(ranges, sounds, strict=False)]
    parts = pieces(cues, float(frames / rate), "changes")
    order = picture_order(parts, rate, frames)
    assert abs(len(order) - total(parts) * rate) <= 1
    assert all(0 <= number < frames for number in order)
