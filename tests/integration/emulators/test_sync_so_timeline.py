"""Sync.so emulator: how segments and modes change times, as arithmetic."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.local.emulators.sync_so.timeline import (
    SegmentLength,
    SegmentTiming,
    SyncMode,
    build_pieces,
    frame_order,
    total_length,
)

FRAME_RATE = Fraction(10)


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
def test_each_sync_mode_orders_the_frames(mode: SyncMode, sound: float, shown: list[int]) -> None:
    parts = build_pieces([SegmentTiming(0.2, 0.6, sound, mode)], 1.0, "changes")
    assert frame_order(parts, FRAME_RATE, 10) == [0, 1, *shown, 6, 7, 8, 9]


@pytest.mark.parametrize(("length", "more"), [("changes", 1.0), ("kept", 0.0), ("odd", 2.0)])
def test_segment_length_setting_decides_the_duration(length: SegmentLength, more: float) -> None:
    parts = build_pieces([SegmentTiming(0.2, 0.6, 1.4, "remap")], 1.0, length)
    assert total_length(parts) == pytest.approx(1.0 + more)


def test_segments_may_come_in_any_order() -> None:
    late, early = SegmentTiming(0.5, 0.7, 0.4, "remap"), SegmentTiming(0.1, 0.2, 0.1, "remap")
    assert frame_order(build_pieces([late, early], 1.0, "changes"), FRAME_RATE, 10) == [
        0,
        1,
        2,
        3,
        4,
        5,
        5,
        6,
        6,
        7,
        8,
        9,
    ]


def test_an_empty_segment_changes_nothing() -> None:
    assert frame_order(build_pieces([SegmentTiming(0.3, 0.3, 2.0, "remap")], 1.0, "changes"), FRAME_RATE, 10) == list(
        range(10)
    )


@given(
    bounds=st.lists(st.floats(0, 5), min_size=2, max_size=8, unique=True).map(sorted),
    sounds=st.lists(st.floats(0.05, 6), min_size=4, max_size=4),
    mode=st.sampled_from(["remap", "cut_off", "silence", "loop", "bounce"]),
    rate=st.sampled_from([Fraction(25), Fraction(30_000, 1001), Fraction(12)]),
)
def test_a_result_has_its_pieces_length_and_existing_frames(
    bounds: list[float], sounds: list[float], mode: SyncMode, rate: Fraction
) -> None:
    frames = int(5 * rate)
    ranges = zip(bounds[::2], bounds[1::2], strict=False)
    cues = [SegmentTiming(start, end, sound, mode) for (start, end), sound in zip(ranges, sounds, strict=False)]
    parts = build_pieces(cues, float(frames / rate), "changes")
    order = frame_order(parts, rate, frames)
    assert abs(len(order) - total_length(parts) * rate) <= 1
    assert all(0 <= number < frames for number in order)
