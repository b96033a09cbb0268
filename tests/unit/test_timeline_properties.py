"""What holds for every timeline, against a second opinion: what is on the screen at a given moment of the result."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videojobs.request import SyncMode
from videojobs.timeline import (
    Clip,
    Interval,
    Piece,
    Timeline,
    carry,
    carry_area,
    decide,
    predict,
    unchanged,
)

MODES: list[SyncMode] = ["remap", "cut_off", "silence", "loop", "bounce"]
MILLISECOND = 0.001
NOISE = 1e-5

brief = settings(max_examples=40, deadline=None, derandomize=True)


class Case(NamedTuple):
    """A video with segments, and an area on it."""

    source: float
    segments: list[Clip]
    start: float
    end: float


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Times on a grid of 10 ms, so that what is seen at all is seen for a while."""
    cursor, segments = 0, []
    for _ in range(draw(st.integers(1, 4))):
        start = cursor + draw(st.integers(0, 150))
        cursor = start + draw(st.integers(10, 300))
        segments.append(Clip(start / 100, cursor / 100, draw(st.integers(10, 300)) / 100))
    source = cursor + draw(st.integers(0, 150))
    start = draw(st.integers(0, source - 1))
    return Case(source / 100, segments, start / 100, draw(st.integers(start + 1, source)) / 100)


# ---- the second opinion --------------------------------------------------------------------------------------

Shot = tuple[float, Callable[[float], float]]  # how long it lasts, and the source instant seen at a time in it


def shot(clip: Clip, mode: SyncMode) -> Shot:
    length, audio = clip.end - clip.start, clip.audio_seconds
    if mode == "remap":
        return audio, lambda t: clip.start + t / audio * length
    if mode == "silence":
        return max(audio, length), lambda t: clip.start + min(t, length - 2 * NOISE)
    if mode == "cut_off":
        return min(audio, length), lambda t: clip.start + t
    if mode == "loop":
        return audio, lambda t: clip.start + t % length
    return audio, lambda t: clip.start + length - abs(t % (2 * length) - length)


def shots(case: Case, mode: SyncMode) -> list[Shot]:
    found: list[Shot] = []
    cursor = 0.0
    for clip in [*case.segments, Clip(case.source, case.source, 0)]:
        found.append((clip.start - cursor, lambda t, begin=cursor: begin + t))  # type: ignore[misc]
        if clip.start < clip.end:
            found.append(shot(clip, mode))
        cursor = clip.end
    return found


def on_screen(moment: float, film: list[Shot]) -> float:
    for length, instant in film:
        if moment < length:
            return instant(moment)
        moment -= length
    return film[-1][1](film[-1][0])


def moments(case: Case, length: float, intervals: list[Interval]) -> list[float]:
    """All over the result, and close to where something begins or ends."""
    edges = [edge + off * MILLISECOND for interval in intervals for edge in interval for off in (-1.5, -0.5, 0.5, 1.5)]
    return [moment for moment in [*(length * i / 60 for i in range(60)), *edges] if 0 <= moment < length - NOISE]


# ---- properties ----------------------------------------------------------------------------------------------


@brief
@given(cases(), st.sampled_from(MODES))
def test_an_area_covers_all_of_what_it_should_and_nothing_else_but_a_millisecond(case: Case, mode: SyncMode) -> None:
    film = shots(case, mode)
    timeline = predict(case.source, case.segments, mode)
    intervals = carry(case.start, case.end, timeline)

    def seen(moment: float) -> bool:
        return case.start + NOISE < on_screen(moment, film) < case.end - NOISE

    for moment in moments(case, timeline.result_duration, intervals):
        covered = any(first <= moment < last for first, last in intervals)
        if seen(moment):
            assert covered
        elif covered:
            assert any(seen(moment + step * MILLISECOND / 20) for step in range(-22, 23))


@brief
@given(cases(), st.sampled_from(MODES))
def test_the_result_is_as_long_as_what_is_on_the_screen(case: Case, mode: SyncMode) -> None:
    timeline = predict(case.source, case.segments, mode)
    assert abs(timeline.result_duration - sum(length for length, _ in shots(case, mode))) < NOISE


@brief
@given(cases(), st.sampled_from(MODES))
def test_an_area_over_the_whole_video_covers_the_whole_result(case: Case, mode: SyncMode) -> None:
    timeline = predict(case.source, case.segments, mode)
    ((first, last),) = carry(0, case.source, timeline)
    assert first == 0
    assert last == pytest.approx(timeline.result_duration)


@brief
@given(cases(), st.sampled_from(MODES))
def test_intervals_are_sorted_apart_and_within_the_result(case: Case, mode: SyncMode) -> None:
    timeline = predict(case.source, case.segments, mode)
    edges = [edge for interval in carry(case.start, case.end, timeline) for edge in interval]
    assert edges == sorted(set(edges))
    assert all(0 <= edge <= timeline.result_duration for edge in edges)


@brief
@given(cases(), st.sampled_from(MODES))
def test_nothing_moves_before_the_first_segment(case: Case, mode: SyncMode) -> None:
    first = case.segments[0].start
    if first > 0:
        assert carry(first / 4, first / 2, predict(case.source, case.segments, mode)) == carry(
            first / 4, first / 2, unchanged(case.source)
        )


@brief
@given(cases(), st.floats(0, 1), st.floats(0, 1))
def test_remap_keeps_the_order_of_times(case: Case, one: float, other: float) -> None:
    timeline = predict(case.source, case.segments, "remap")
    earlier, later = (carry(at, case.source, timeline) for at in sorted((one * case.source, other * case.source)))
    if later:
        assert earlier[0][0] <= later[0][0]


@brief
@given(cases())
def test_remap_there_and_back_is_where_it_was(case: Case) -> None:
    there = predict(case.source, case.segments, "remap")
    mirrored = (Piece(p.result_start, p.result_end, p.source_start, p.source_end) for p in there.pieces)
    back = Timeline(tuple(mirrored), case.source)
    ((first, last),) = carry(case.start, case.end, there)
    ((start, end),) = carry(first, last, back)
    steepest = max(1.0, *((clip.end - clip.start) / clip.audio_seconds for clip in case.segments))
    assert case.start - (steepest + 1) * MILLISECOND <= start <= case.start
    assert case.end <= end <= case.end + (steepest + 1) * MILLISECOND


@brief
@given(cases(), st.sampled_from(MODES))
def test_a_result_of_the_predicted_length_is_carried_exactly_or_wider(case: Case, mode: SyncMode) -> None:
    predicted = predict(case.source, case.segments, mode)
    decision = decide(predicted, case.source, predicted.result_duration, tolerance=0.1)
    exact = carry(case.start, case.end, predicted)
    found = carry_area(decision, case.start, case.end)
    assert decision.kind != "kept"
    assert found == exact if decision.kind == "changed" else within(exact, found)


@brief
@given(cases(), st.sampled_from(MODES), st.floats(0.2, 2))
def test_whatever_the_length_both_hypotheses_are_covered_unless_one_is_ruled_out(
    case: Case, mode: SyncMode, factor: float
) -> None:
    predicted, result = predict(case.source, case.segments, mode), case.source * factor
    decision = decide(predicted, case.source, result, tolerance=0.05)
    found = carry_area(decision, case.start, case.end)
    assert all(0 <= first < last <= result for first, last in found)
    for timeline in (predicted, unchanged(case.source)):
        if decision.kind in ("uncertain", "same"):
            carried = carry(case.start, case.end, timeline)
            assert within([(first, min(last, result)) for first, last in carried if first < result], found)


def within(inner: list[Interval], outer: list[Interval]) -> bool:
    return all(any(a - NOISE <= first and last <= b + NOISE for a, b in outer) for first, last in inner)
