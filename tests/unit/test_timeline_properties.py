"""Properties of every timeline, checked against a reference: what is on screen at a given moment of the result."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videojobs.pipeline.timeline import (
    Interval,
    SegmentAudio,
    Timeline,
    TimelinePiece,
    choose_timeline,
    identity_timeline,
    map_area,
    map_interval,
    predict_timeline,
)
from videojobs.requests.models import SyncMode

MODES: list[SyncMode] = ["remap", "cut_off", "silence", "loop", "bounce"]
MILLISECOND = 0.001
FLOAT_NOISE = 1e-5

fast_settings = settings(max_examples=40, deadline=None, derandomize=True)


class TimelineCase(NamedTuple):
    """A video with segments and one area."""

    source: float
    segments: list[SegmentAudio]
    start: float
    end: float


@st.composite
def timeline_cases(draw: st.DrawFn) -> TimelineCase:
    """Times on a grid of 10 ms, so that nothing is visible for less than that."""
    cursor, segments = 0, []
    for _ in range(draw(st.integers(1, 4))):
        start = cursor + draw(st.integers(0, 150))
        cursor = start + draw(st.integers(10, 300))
        segments.append(SegmentAudio(start / 100, cursor / 100, draw(st.integers(10, 300)) / 100))
    source = cursor + draw(st.integers(0, 150))
    start = draw(st.integers(0, source - 1))
    return TimelineCase(source / 100, segments, start / 100, draw(st.integers(start + 1, source)) / 100)


# ---- the reference -------------------------------------------------------------------------------------------

ReferenceShot = tuple[float, Callable[[float], float]]  # its length, and the source time shown at a time in it


def reference_shot(clip: SegmentAudio, mode: SyncMode) -> ReferenceShot:
    length, audio = clip.end - clip.start, clip.audio_seconds
    if mode == "remap":
        return audio, lambda t: clip.start + t / audio * length
    if mode == "silence":
        return max(audio, length), lambda t: clip.start + min(t, length - 2 * FLOAT_NOISE)
    if mode == "cut_off":
        return min(audio, length), lambda t: clip.start + t
    if mode == "loop":
        return audio, lambda t: clip.start + t % length
    return audio, lambda t: clip.start + length - abs(t % (2 * length) - length)


def reference_shots(case: TimelineCase, mode: SyncMode) -> list[ReferenceShot]:
    found: list[ReferenceShot] = []
    cursor = 0.0
    for clip in [*case.segments, SegmentAudio(case.source, case.source, 0)]:
        found.append((clip.start - cursor, lambda t, begin=cursor: begin + t))  # type: ignore[misc]
        if clip.start < clip.end:
            found.append(reference_shot(clip, mode))
        cursor = clip.end
    return found


def source_time_at(moment: float, shots: list[ReferenceShot]) -> float:
    for length, instant in shots:
        if moment < length:
            return instant(moment)
        moment -= length
    return shots[-1][1](shots[-1][0])


def sample_times(case: TimelineCase, length: float, intervals: list[Interval]) -> list[float]:
    """Times all over the result, and close to each boundary."""
    edges = [edge + off * MILLISECOND for interval in intervals for edge in interval for off in (-1.5, -0.5, 0.5, 1.5)]
    return [moment for moment in [*(length * i / 60 for i in range(60)), *edges] if 0 <= moment < length - FLOAT_NOISE]


# ---- properties ----------------------------------------------------------------------------------------------


@fast_settings
@given(timeline_cases(), st.sampled_from(MODES))
def test_an_area_is_covered_to_the_millisecond(case: TimelineCase, mode: SyncMode) -> None:
    film = reference_shots(case, mode)
    timeline = predict_timeline(case.source, case.segments, mode)
    intervals = map_interval(case.start, case.end, timeline)

    def is_visible(moment: float) -> bool:
        return case.start + FLOAT_NOISE < source_time_at(moment, film) < case.end - FLOAT_NOISE

    for moment in sample_times(case, timeline.result_duration, intervals):
        covered = any(first <= moment < last for first, last in intervals)
        if is_visible(moment):
            assert covered
        elif covered:
            assert any(is_visible(moment + step * MILLISECOND / 20) for step in range(-22, 23))


@fast_settings
@given(timeline_cases(), st.sampled_from(MODES))
def test_the_result_length_matches_the_reference_model(case: TimelineCase, mode: SyncMode) -> None:
    timeline = predict_timeline(case.source, case.segments, mode)
    assert abs(timeline.result_duration - sum(length for length, _ in reference_shots(case, mode))) < FLOAT_NOISE


@fast_settings
@given(timeline_cases(), st.sampled_from(MODES))
def test_an_area_over_the_whole_video_covers_the_whole_result(case: TimelineCase, mode: SyncMode) -> None:
    timeline = predict_timeline(case.source, case.segments, mode)
    ((first, last),) = map_interval(0, case.source, timeline)
    assert first == 0
    assert last == pytest.approx(timeline.result_duration)


@fast_settings
@given(timeline_cases(), st.sampled_from(MODES))
def test_intervals_are_sorted_apart_and_within_the_result(case: TimelineCase, mode: SyncMode) -> None:
    timeline = predict_timeline(case.source, case.segments, mode)
    edges = [edge for interval in map_interval(case.start, case.end, timeline) for edge in interval]
    assert edges == sorted(set(edges))
    assert all(0 <= edge <= timeline.result_duration for edge in edges)


@fast_settings
@given(timeline_cases(), st.sampled_from(MODES))
def test_nothing_moves_before_the_first_segment(case: TimelineCase, mode: SyncMode) -> None:
    first = case.segments[0].start
    if first > 0:
        assert map_interval(first / 4, first / 2, predict_timeline(case.source, case.segments, mode)) == map_interval(
            first / 4, first / 2, identity_timeline(case.source)
        )


@fast_settings
@given(timeline_cases(), st.floats(0, 1), st.floats(0, 1))
def test_remap_keeps_the_order_of_times(case: TimelineCase, one: float, other: float) -> None:
    timeline = predict_timeline(case.source, case.segments, "remap")
    earlier, later = (
        map_interval(at, case.source, timeline) for at in sorted((one * case.source, other * case.source))
    )
    if later:
        assert earlier[0][0] <= later[0][0]


@fast_settings
@given(timeline_cases())
def test_remap_round_trips(case: TimelineCase) -> None:
    there = predict_timeline(case.source, case.segments, "remap")
    mirrored = (TimelinePiece(p.result_start, p.result_end, p.source_start, p.source_end) for p in there.pieces)
    back = Timeline(tuple(mirrored), case.source)
    ((first, last),) = map_interval(case.start, case.end, there)
    ((start, end),) = map_interval(first, last, back)
    steepest = max(1.0, *((clip.end - clip.start) / clip.audio_seconds for clip in case.segments))
    assert case.start - (steepest + 1) * MILLISECOND <= start <= case.start
    assert case.end <= end <= case.end + (steepest + 1) * MILLISECOND


@fast_settings
@given(timeline_cases(), st.sampled_from(MODES))
def test_a_result_of_predicted_length_is_mapped_exactly_or_wider(case: TimelineCase, mode: SyncMode) -> None:
    predicted = predict_timeline(case.source, case.segments, mode)
    decision = choose_timeline(predicted, case.source, predicted.result_duration, tolerance=0.1)
    exact = map_interval(case.start, case.end, predicted)
    found = map_area(decision, case.start, case.end)
    assert decision.kind != "unchanged"
    assert found == exact if decision.kind == "retimed" else is_within(exact, found)


@fast_settings
@given(timeline_cases(), st.sampled_from(MODES), st.floats(0.2, 2))
def test_both_hypotheses_are_covered_unless_one_is_ruled_out(case: TimelineCase, mode: SyncMode, factor: float) -> None:
    predicted, result = predict_timeline(case.source, case.segments, mode), case.source * factor
    decision = choose_timeline(predicted, case.source, result, tolerance=0.05)
    found = map_area(decision, case.start, case.end)
    assert all(0 <= first < last <= result for first, last in found)
    for timeline in (predicted, identity_timeline(case.source)):
        if decision.kind in ("ambiguous", "equivalent"):
            carried = map_interval(case.start, case.end, timeline)
            assert is_within([(first, min(last, result)) for first, last in carried if first < result], found)


def is_within(inner: list[Interval], outer: list[Interval]) -> bool:
    return all(any(a - FLOAT_NOISE <= first and last <= b + FLOAT_NOISE for a, b in outer) for first, last in inner)
