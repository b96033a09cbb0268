"""The segments sent to Sync.so: ends are within their files, with a gap between segments, and all else is unchanged."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.measured_facts import audio_facts, video_facts
from videojobs.pipeline.facts import JobFacts
from videojobs.pipeline.segment_adjustment import (
    FittedSegments,
    fit_request_segments,
    fit_segment_ends,
    sent_segments,
)
from videojobs.providers.sync_so.provider import SyncSoProvider
from videojobs.requests.models import JobRequest, Segment
from videojobs.requests.parsing import parse_request
from videojobs.settings import LimitSettings

VIDEO, AUDIO = 8.336, 8.334  # seconds
Times = tuple[float, float, float | None, float | None]  # a segment and its crop


def make_segment(
    start: float, end: float, crop_start: float | None = None, crop_end: float | None = None
) -> dict[str, Any]:
    crop = {} if crop_start is None else {"startTime": crop_start, "endTime": crop_end}
    return {"startTime": start, "endTime": end, "audioInput": {"refId": "a", **crop}}


def make_segments_request(*segments: dict[str, Any]) -> JobRequest:
    return parse_request(
        {
            "video": "s3://bucket/v.mp4",
            "audio": [{"refId": "a", "source": "s3://bucket/a.wav"}],
            "segments": list(segments),
            "user_id": "ada",
        }
    )


def fit_with_limits(*segments: dict[str, Any], **limits: float) -> FittedSegments:
    return fit_segment_ends(make_segments_request(*segments).segments, VIDEO, {"a": AUDIO}, LimitSettings(**limits))  # type: ignore[arg-type]


def times(segments: list[Segment]) -> list[Times]:
    return [(item.startTime, item.endTime, item.audioInput.startTime, item.audioInput.endTime) for item in segments]


def sent_times(*segments: dict[str, Any], **limits: float) -> list[Times]:
    return times(fit_with_limits(*segments, **limits).segments)


# ---- ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [8.336, 8.3359, 8.3, 8.287, 8.37])
def test_a_segment_ends_a_margin_before_the_video(end: float) -> None:
    assert sent_times(make_segment(1, end)) == [(1, 8.286, None, None)]


@pytest.mark.parametrize("end", [8.286, 8.2859, 8.0])
def test_a_segment_that_ends_before_the_margin_stays_as_it_is(end: float) -> None:
    assert fit_with_limits(make_segment(1, end)) == FittedSegments(
        make_segments_request(make_segment(1, end)).segments, []
    )


@pytest.mark.parametrize("end", [8.334, 8.336, 8.285, 8.4])
def test_a_crop_ends_a_margin_before_its_audio(end: float) -> None:
    assert sent_times(make_segment(1, 2, 0.5, end)) == [(1, 2, 0.5, 8.284)]


@pytest.mark.parametrize("end", [8.284, 8.0])
def test_a_crop_that_ends_before_the_margin_stays_as_it_is(end: float) -> None:
    assert sent_times(make_segment(1, 2, 0.5, end)) == [(1, 2, 0.5, end)]


def test_without_a_crop_none_is_sent() -> None:
    assert sent_times(make_segment(1, 8.336)) == [(1, 8.286, None, None)]


def test_a_length_the_vendor_once_refused_is_sent_shorter() -> None:
    assert sent_times(make_segment(0, 8.336, 0, 8.336)) == [(0, 8.286, 0, 8.284)]


def test_the_margin_is_a_setting() -> None:
    assert sent_times(make_segment(0, 8.336, 0, 8.336), end_margin_seconds=0.1) == [(0, 8.236, 0, 8.234)]
    assert sent_times(make_segment(0, 8.336, 0, 8.336), end_margin_seconds=0) == [(0, 8.336, 0, 8.334)]


def test_ends_are_rounded_down_and_never_past_the_file() -> None:
    segments = make_segments_request(make_segment(1, 8.667)).segments
    [found] = fit_segment_ends(segments, 26 / 3, {"a": AUDIO}, LimitSettings(end_margin_seconds=0)).segments
    assert found.endTime == 8.666


# ---- gaps ----------------------------------------------------------------------------------------------------


def test_the_earlier_of_two_touching_segments_is_shortened() -> None:
    assert sent_times(make_segment(0, 2.22), make_segment(2.22, 4)) == [(0, 2.2, None, None), (2.22, 4, None, None)]


def test_segments_closer_than_the_gap_count_as_touching() -> None:
    assert sent_times(make_segment(0, 2.21), make_segment(2.22, 4)) == [(0, 2.2, None, None), (2.22, 4, None, None)]


@pytest.mark.parametrize("end", [2.2, 2.1997, 2.0])
def test_segments_with_a_gap_stay_as_they_are(end: float) -> None:
    assert fit_with_limits(make_segment(0, end), make_segment(2.22, 4)).changes == []


def test_unordered_segments_are_separated_too() -> None:
    assert sent_times(make_segment(4, 6), make_segment(0, 2), make_segment(2, 4)) == [
        (0, 1.98, None, None),
        (2, 3.98, None, None),
        (4, 6, None, None),
    ]


def test_a_split_keeps_all_of_its_audio() -> None:
    cut = 1.9971428571428571  # the editor's playhead position
    assert sent_times(make_segment(0, cut, 0, cut), make_segment(cut, 4, cut, 4)) == [
        (0, 1.977, 0, 1.997143),
        (1.997143, 4, 1.997143, 4),
    ]


def test_the_gap_is_a_setting() -> None:
    assert sent_times(make_segment(0, 2), make_segment(2, 4), segment_gap_seconds=0.05)[0] == (0, 1.95, None, None)
    assert sent_times(make_segment(0, 2), make_segment(2, 4), segment_gap_seconds=0)[0] == (0, 2, None, None)


# ---- what is reported ----------------------------------------------------------------------------------------


def test_each_moved_end_is_reported_with_both_times_and_a_reason() -> None:
    assert fit_with_limits(make_segment(0, 2.22), make_segment(2.22, 8.336, 0, 8.336)).changes == [
        "the segment from 0 s to 2.22 s ends at 2.2 s, since the next one begins at 2.22 s",
        "the segment from 2.22 s to 8.336 s ends at 8.286 s, since the video lasts 8.336 s",
        "the audio of the segment from 2.22 s ends at 8.284 s instead of 8.336 s, since a lasts 8.334 s",
    ]


# ---- what is recorded ----------------------------------------------------------------------------------------


def test_sent_segments_are_read_from_the_stored_request_body() -> None:
    plain = [make_segment(0, 1.98), make_segment(2, 4, 0.5, 1)]
    recorded = SyncSoProvider().request_facts(json.dumps({"segments": plain}).encode())
    request = make_segments_request(make_segment(0, 2), make_segment(2, 4, 0.5, 1))
    assert times(sent_segments(request, recorded)) == [(0, 1.98, None, None), (2, 4, 0.5, 1)]


def test_an_older_result_uses_the_segments_of_the_request() -> None:
    request = make_segments_request(make_segment(0, 2), make_segment(2, 4))
    assert sent_segments(request, JobFacts()) == request.segments


# ---- properties ----------------------------------------------------------------------------------------------


@st.composite
def segment_requests(draw: st.DrawFn) -> JobRequest:
    """Segments of at least half a second, with or without gaps and crops; the last one may extend past the files."""
    micro, segments, cursor = 1_000_000, [], 0
    for _ in range(draw(st.integers(1, 5))):
        start = cursor + draw(st.one_of(st.just(0), st.integers(1, 60_000), st.integers(0, micro)))
        cursor = start + draw(st.integers(micro // 2, 1_500_000))
        crop_end = draw(st.one_of(st.none(), st.integers(micro, 8_424_000)))
        crop = () if crop_end is None else (0.0, crop_end / micro)
        segments.append(make_segment(start / micro, cursor / micro, *crop))
    return make_segments_request(*draw(st.permutations(segments)))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(segment_requests(), st.floats(0, 0.05))
def test_fitting_only_moves_ends_and_always_leaves_the_margin(request: JobRequest, overrun: float) -> None:
    limits = LimitSettings()
    video = request.segments[-1].endTime - overrun
    facts = JobFacts(video=video_facts(duration=video), audio={"a": audio_facts(duration=AUDIO)})
    found = fit_request_segments(request, facts, limits)
    for before, after in zip(found.segments, found.segments[1:], strict=False):
        assert after.startTime - before.endTime >= limits.segment_gap_seconds - 1e-6
    for old, new in zip(request.segments, found.segments, strict=True):
        assert new.endTime <= video - limits.end_margin_seconds + 1e-6
        assert (new.audioInput.endTime or 0) <= AUDIO - limits.end_margin_seconds + 1e-6
        assert new.endTime <= old.endTime
        assert old.endTime - new.endTime <= overrun + limits.end_margin_seconds + 0.001 + 1e-6
        ends = {"endTime": old.endTime, "audioInput": old.audioInput}
        assert new.model_copy(update=ends) == old
        assert new.audioInput.model_copy(update={"endTime": old.audioInput.endTime}) == old.audioInput
    again = fit_request_segments(request.model_copy(update={"segments": found.segments}), facts, limits)
    assert again == FittedSegments(found.segments, [])
