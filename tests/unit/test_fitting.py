"""The segments that Sync.so is sent: ends inside their files, room between two of them, and all else as it was."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from videojobs.fitting import Fitted, fit, fit_to_files, segments_in, sent_segments
from videojobs.intake import parse_request
from videojobs.request import JobRequest, Segment
from videojobs.settings import Limits

VIDEO, AUDIO = 8.336, 8.334  # seconds
Times = tuple[float, float, float | None, float | None]  # a segment and its crop


def segment(start: float, end: float, crop_start: float | None = None, crop_end: float | None = None) -> dict[str, Any]:
    crop = {} if crop_start is None else {"startTime": crop_start, "endTime": crop_end}
    return {"startTime": start, "endTime": end, "audioInput": {"refId": "a", **crop}}


def asked(*segments: dict[str, Any]) -> JobRequest:
    return parse_request(
        {
            "video": "s3://bucket/v.mp4",
            "audio": [{"refId": "a", "source": "s3://bucket/a.wav"}],
            "segments": list(segments),
            "user_id": "ada",
        }
    )


def fitted(*segments: dict[str, Any], **limits: float) -> Fitted:
    return fit(asked(*segments).segments, VIDEO, {"a": AUDIO}, Limits(**limits))  # type: ignore[arg-type]


def times(segments: list[Segment]) -> list[Times]:
    return [(item.startTime, item.endTime, item.audioInput.startTime, item.audioInput.endTime) for item in segments]


def sent(*segments: dict[str, Any], **limits: float) -> list[Times]:
    return times(fitted(*segments, **limits).segments)


# ---- ends ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [8.336, 8.3359, 8.3, 8.287, 8.37])
def test_a_segment_ends_a_margin_before_the_video(end: float) -> None:
    assert sent(segment(1, end)) == [(1, 8.286, None, None)]


@pytest.mark.parametrize("end", [8.286, 8.2859, 8.0])
def test_a_segment_that_ends_before_the_margin_stays_as_it_is(end: float) -> None:
    assert fitted(segment(1, end)) == Fitted(asked(segment(1, end)).segments, [])


@pytest.mark.parametrize("end", [8.334, 8.336, 8.285, 8.4])
def test_a_crop_ends_a_margin_before_its_audio(end: float) -> None:
    assert sent(segment(1, 2, 0.5, end)) == [(1, 2, 0.5, 8.284)]


@pytest.mark.parametrize("end", [8.284, 8.0])
def test_a_crop_that_ends_before_the_margin_stays_as_it_is(end: float) -> None:
    assert sent(segment(1, 2, 0.5, end)) == [(1, 2, 0.5, end)]


def test_without_a_crop_none_is_sent() -> None:
    assert sent(segment(1, 8.336)) == [(1, 8.286, None, None)]


def test_what_the_vendor_was_seen_to_refuse_is_sent_shorter() -> None:
    assert sent(segment(0, 8.336, 0, 8.336)) == [(0, 8.286, 0, 8.284)]


def test_the_margin_is_a_setting() -> None:
    assert sent(segment(0, 8.336, 0, 8.336), end_margin_seconds=0.1) == [(0, 8.236, 0, 8.234)]
    assert sent(segment(0, 8.336, 0, 8.336), end_margin_seconds=0) == [(0, 8.336, 0, 8.334)]


def test_ends_are_rounded_down_to_the_millisecond_and_never_past_the_file() -> None:
    segments = asked(segment(1, 8.667)).segments
    [found] = fit(segments, 26 / 3, {"a": AUDIO}, Limits(end_margin_seconds=0)).segments
    assert found.endTime == 8.666


# ---- gaps ----------------------------------------------------------------------------------------------------


def test_of_two_segments_that_touch_the_earlier_one_ends_earlier() -> None:
    assert sent(segment(0, 2.22), segment(2.22, 4)) == [(0, 2.2, None, None), (2.22, 4, None, None)]


def test_segments_closer_than_the_gap_count_as_touching() -> None:
    assert sent(segment(0, 2.21), segment(2.22, 4)) == [(0, 2.2, None, None), (2.22, 4, None, None)]


@pytest.mark.parametrize("end", [2.2, 2.1997, 2.0])
def test_segments_with_a_gap_stay_as_they_are(end: float) -> None:
    assert fitted(segment(0, end), segment(2.22, 4)).changes == []


def test_segments_out_of_order_are_parted_all_the_same() -> None:
    assert sent(segment(4, 6), segment(0, 2), segment(2, 4)) == [
        (0, 1.98, None, None),
        (2, 3.98, None, None),
        (4, 6, None, None),
    ]


def test_a_split_keeps_all_of_its_audio() -> None:
    cut = 1.9971428571428571  # as the editor's playhead stands
    assert sent(segment(0, cut, 0, cut), segment(cut, 4, cut, 4)) == [
        (0, 1.977, 0, 1.997143),
        (1.997143, 4, 1.997143, 4),
    ]


def test_the_gap_is_a_setting() -> None:
    assert sent(segment(0, 2), segment(2, 4), segment_gap_seconds=0.05)[0] == (0, 1.95, None, None)
    assert sent(segment(0, 2), segment(2, 4), segment_gap_seconds=0)[0] == (0, 2, None, None)


# ---- what is told --------------------------------------------------------------------------------------------


def test_each_end_that_is_moved_is_told_with_both_numbers_and_why() -> None:
    assert fitted(segment(0, 2.22), segment(2.22, 8.336, 0, 8.336)).changes == [
        "the segment from 0 s to 2.22 s ends at 2.2 s, since the next one begins at 2.22 s",
        "the segment from 2.22 s to 8.336 s ends at 8.286 s, since the video lasts 8.336 s",
        "the audio of the segment from 2.22 s ends at 8.284 s instead of 8.336 s, since a lasts 8.334 s",
    ]


# ---- what is recorded ----------------------------------------------------------------------------------------


def test_what_was_sent_is_read_from_the_paid_request() -> None:
    plain = [segment(0, 1.98), segment(2, 4, 0.5, 1)]
    recorded = segments_in(json.dumps({"segments": plain}).encode())
    assert times(sent_segments(asked(segment(0, 2), segment(2, 4, 0.5, 1)), {"sent_segments": recorded})) == [
        (0, 1.98, None, None),
        (2, 4, 0.5, 1),
    ]


def test_a_result_of_before_was_made_of_the_segments_of_the_request() -> None:
    request = asked(segment(0, 2), segment(2, 4))
    assert sent_segments(request, {}) == request.segments


# ---- properties ----------------------------------------------------------------------------------------------


@st.composite
def requests(draw: st.DrawFn) -> JobRequest:
    """Segments of at least half a second with gaps from none to some, and crops; the last may reach past the files."""
    micro, segments, cursor = 1_000_000, [], 0
    for _ in range(draw(st.integers(1, 5))):
        start = cursor + draw(st.one_of(st.just(0), st.integers(1, 60_000), st.integers(0, micro)))
        cursor = start + draw(st.integers(micro // 2, 1_500_000))
        crop_end = draw(st.one_of(st.none(), st.integers(micro, 8_424_000)))
        crop = () if crop_end is None else (0.0, crop_end / micro)
        segments.append(segment(start / micro, cursor / micro, *crop))
    return asked(*draw(st.permutations(segments)))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(requests(), st.floats(0, 0.05))
def test_whatever_is_asked_for_the_vendor_gets_ends_with_room_and_nothing_else_is_changed(
    request: JobRequest, past: float
) -> None:
    limits = Limits()
    video = request.segments[-1].endTime - past
    facts = {"video": {"duration": video}, "audio": {"a": {"duration": AUDIO}}}
    found = fit_to_files(request, facts, limits)
    for before, after in zip(found.segments, found.segments[1:], strict=False):
        assert after.startTime - before.endTime >= limits.segment_gap_seconds - 1e-6
    for old, new in zip(request.segments, found.segments, strict=True):
        assert new.endTime <= video - limits.end_margin_seconds + 1e-6
        assert (new.audioInput.endTime or 0) <= AUDIO - limits.end_margin_seconds + 1e-6
        assert new.endTime <= old.endTime
        assert old.endTime - new.endTime <= past + limits.end_margin_seconds + 0.001 + 1e-6
        ends = {"endTime": old.endTime, "audioInput": old.audioInput}
        assert new.model_copy(update=ends) == old
        assert new.audioInput.model_copy(update={"endTime": old.audioInput.endTime}) == old.audioInput
    again = fit_to_files(request.model_copy(update={"segments": found.segments}), facts, limits)
    assert again == Fitted(found.segments, [])
