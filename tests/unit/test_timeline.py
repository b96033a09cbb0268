"""Mapping of times to the result, computed by hand."""

import pytest

from videojobs.pipeline.timeline import (
    Interval,
    SegmentAudio,
    Timeline,
    TimelineChoice,
    choose_timeline,
    describe_area,
    identity_timeline,
    length_tolerance,
    map_area,
    map_interval,
    predict_timeline,
    segment_audio,
)
from videojobs.requests.models import SyncMode
from videojobs.requests.parsing import parse_request

SOURCE_SECONDS = 8.0
LONGER_AUDIO = SegmentAudio(2.0, 4.0, audio_seconds=3.0)  # becomes 2-5
SHORTER_AUDIO = SegmentAudio(5.0, 6.0, audio_seconds=0.5)  # becomes 6-6.5, after LONGER_AUDIO
BOTH_SEGMENTS = [LONGER_AUDIO, SHORTER_AUDIO]  # the result lasts 8.5


def remap_timeline(*segments: SegmentAudio) -> Timeline:
    return predict_timeline(SOURCE_SECONDS, segments, "remap")


# ---- one segment, every mode ---------------------------------------------------------------------------------

MODE_CASES: list[tuple[SyncMode, SegmentAudio, float, dict[Interval, list[Interval]]]] = [
    # mode, segment, length of the result, {area: when it is visible}
    ("remap", LONGER_AUDIO, 9.0, {(2, 3): [(2, 3.5)], (3, 6): [(3.5, 7)]}),
    ("remap", SHORTER_AUDIO, 7.5, {(5, 5.5): [(5, 5.25)], (5.5, 7): [(5.25, 6.5)]}),
    ("cut_off", LONGER_AUDIO, 8.0, {(2, 4): [(2, 4)], (6, 7): [(6, 7)]}),
    ("cut_off", SHORTER_AUDIO, 7.5, {(5, 6): [(5, 5.5)], (5.6, 6): [], (5.6, 6.1): [(5.5, 5.6)], (6, 7): [(5.5, 6.5)]}),
    ("silence", LONGER_AUDIO, 9.0, {(2, 3): [(2, 3)], (3, 4): [(3, 5)], (4, 5): [(5, 6)]}),
    ("silence", SHORTER_AUDIO, 8.0, {(5, 6): [(5, 6)], (6, 7): [(6, 7)]}),
    ("loop", LONGER_AUDIO, 9.0, {(2, 2.5): [(2, 2.5), (4, 4.5)], (3, 3.5): [(3, 3.5)], (4, 5): [(5, 6)]}),
    ("loop", SHORTER_AUDIO, 7.5, {(5.6, 6): [], (6, 7): [(5.5, 6.5)]}),
    ("bounce", LONGER_AUDIO, 9.0, {(2, 3): [(2, 3)], (3, 3.5): [(3, 3.5), (4.5, 5)], (3.5, 4): [(3.5, 4.5)]}),
    ("bounce", SHORTER_AUDIO, 7.5, {(5.6, 6): [], (6, 7): [(5.5, 6.5)]}),
    ("bounce", SegmentAudio(2, 3, 3.5), 10.5, {(2, 2.5): [(2, 2.5), (3.5, 4.5)], (2.5, 3): [(2.5, 3.5), (4.5, 5.5)]}),
    ("loop", SegmentAudio(2, 3, 3.0), 10.0, {(2, 3): [(2, 5)], (3, 4): [(5, 6)]}),
]


@pytest.mark.parametrize(("mode", "segment", "length", "areas"), MODE_CASES, ids=str)
def test_each_mode_treats_its_segment_as_documented(
    mode: SyncMode, segment: SegmentAudio, length: float, areas: dict[Interval, list[Interval]]
) -> None:
    timeline = predict_timeline(SOURCE_SECONDS, [segment], mode)
    assert timeline.result_duration == pytest.approx(length)
    assert {area: map_interval(*area, timeline) for area in areas} == areas


def test_times_before_the_first_segment_stay() -> None:
    assert map_interval(0.25, 1.75, remap_timeline(*BOTH_SEGMENTS)) == [(0.25, 1.75)]


def test_each_segment_shifts_the_times_after_it() -> None:
    timeline = remap_timeline(*BOTH_SEGMENTS)
    assert timeline.result_duration == 8.5
    assert map_interval(4, 5, timeline) == [(5, 6)]
    assert map_interval(6, 8, timeline) == [(6.5, 8.5)]


def test_an_area_across_several_pieces_is_one_interval() -> None:
    assert map_interval(1, 7, remap_timeline(*BOTH_SEGMENTS)) == [(1, 7.5)]


def test_times_are_rounded_outward_to_the_millisecond() -> None:
    assert map_interval(0.10004, 0.30006, identity_timeline(SOURCE_SECONDS)) == [(0.1, 0.301)]


def test_float_noise_does_not_widen_an_area() -> None:
    assert map_interval(1.001, 0.1 + 8.2 - 1, identity_timeline(SOURCE_SECONDS)) == [
        (1.001, 7.3)
    ]  # 1001 and 7300 ms are not exact as floats


def test_an_area_past_the_videos_end_is_cut_to_it() -> None:
    assert map_interval(7.5, 8.02, identity_timeline(SOURCE_SECONDS)) == [(7.5, 8.0)]
    assert map_interval(8.0, 8.02, identity_timeline(SOURCE_SECONDS)) == []


def test_a_segment_half_a_frame_past_the_video_ends_with_it() -> None:
    timeline = predict_timeline(SOURCE_SECONDS, [SegmentAudio(6.0, 8.02, 3.0)], "remap")
    assert timeline.result_duration == 9.0
    assert map_interval(7, 8.02, timeline) == [(7.5, 9.0)]


def test_a_segment_without_audio_has_no_frames_in_the_result() -> None:
    assert map_interval(2, 4, remap_timeline(SegmentAudio(2, 4, 0.0))) == []


def test_a_crop_sets_the_audio_length() -> None:
    request = parse_request(
        {
            "video": "s3://media/talk.mp4",
            "audio": [{"refId": "a", "source": "s3://media/a.wav"}],
            "segments": [
                {"startTime": 3, "endTime": 4, "audioInput": {"refId": "a", "startTime": 0.5, "endTime": 1.75}},
                {"startTime": 0, "endTime": 2, "audioInput": {"refId": "a"}},
                {"startTime": 5, "endTime": 6, "audioInput": {"refId": "a", "startTime": 1.5}},
                {"startTime": 7, "endTime": 8, "audioInput": {"refId": "a", "startTime": None, "endTime": 0.75}},
            ],
            "user_id": "user-1",
        }
    )
    lengths = [SegmentAudio(0, 2, 2.5), SegmentAudio(3, 4, 1.25), SegmentAudio(5, 6, 1.0), SegmentAudio(7, 8, 0.75)]
    assert segment_audio(request.segments, {"a": 2.5}, 8.0) == lengths


# ---- the choice ----------------------------------------------------------------------------------------------


def choose(result: float, *segments: SegmentAudio, mode: SyncMode = "remap") -> TimelineChoice:
    return choose_timeline(predict_timeline(SOURCE_SECONDS, segments, mode), SOURCE_SECONDS, result, tolerance=0.1)


def test_a_result_of_predicted_length_moves_areas() -> None:
    decision = choose(8.53, *BOTH_SEGMENTS)
    assert decision.kind == "retimed"
    assert map_area(decision, 4, 5) == [(5, 6)]
    assert decision.explanation == (
        "The lip-sync result is 8.53 s long (source 8 s), as the lengths of the audio clips predict: "
        "areas move with their segments."
    )


def test_a_result_as_long_as_the_source_keeps_area_times() -> None:
    decision = choose(8.02, *BOTH_SEGMENTS)
    assert decision.kind == "unchanged"
    assert map_area(decision, 4, 5) == [(4, 5)]
    assert "areas keep their times" in decision.explanation


def test_audio_as_long_as_its_segment_is_unambiguous() -> None:
    decision = choose(8.0, SegmentAudio(2, 4, 2.0), SegmentAudio(5, 6, 1.0))
    assert decision.kind == "equivalent"
    assert map_area(decision, 4, 5) == [(4, 5)]
    assert "no segment moved" in decision.explanation


def test_differences_within_the_tolerance_widen_areas() -> None:
    decision = choose(8.0, SegmentAudio(2, 4, 2.05), SegmentAudio(5, 6, 0.97))
    assert decision.kind == "equivalent"
    assert map_area(decision, 4, 5) == [(4, 5.05)]


def test_a_result_of_neither_length_widens_areas_with_a_note() -> None:
    decision = choose(8.3, *BOTH_SEGMENTS)  # 0.2 s short of the predicted length, 0.3 s more than the source
    assert decision.kind == "ambiguous"
    assert map_area(decision, 4, 5) == [(3.8, 6.2)]
    assert decision.explanation == (
        "The lip-sync result is 8.3 s long, which does not tell whether segments were re-timed (8.5 s expected) "
        "or kept their length (8 s): areas are widened to cover both, and by another 0.2 s."
    )


def test_widened_areas_stay_within_the_result() -> None:
    decision = choose(12.0, *BOTH_SEGMENTS)
    assert map_area(decision, 0, 8) == [(0, 12.0)]
    assert map_area(choose(4.0, *BOTH_SEGMENTS), 6, 8) == [(0.0, 4.0)]


def test_areas_scale_with_a_result_of_unexpected_length() -> None:
    decision = choose(16.0, LONGER_AUDIO)  # twice the source; 7 s more than predicted
    assert map_area(decision, 7.5, 7.6) == [(0.5, 16.0)]


def test_offsetting_length_changes_are_ambiguous() -> None:
    decision = choose(8.0, SegmentAudio(2, 4, 3.0), SegmentAudio(5, 7, 1.0))
    assert decision.kind == "ambiguous"
    assert map_area(decision, 4, 5) == [(4, 6)]
    assert map_area(decision, 7, 8) == [(7, 8)]
    assert "does not tell" in decision.explanation


def test_an_area_to_the_end_covers_a_frame_longer_result() -> None:
    assert map_area(choose(8.54, *BOTH_SEGMENTS), 7, 8) == [(7.5, 8.54)]
    assert map_area(choose(8.04, *BOTH_SEGMENTS), 7, 8) == [(7, 8.04)]
    assert map_area(choose(8.04, *BOTH_SEGMENTS), 7, 7.9) == [(7, 7.9)]


def test_an_area_to_the_end_fits_a_frame_shorter_result() -> None:
    assert map_area(choose(8.46, *BOTH_SEGMENTS), 7, 8) == [(7.5, 8.46)]


def test_an_area_that_was_cut_out_is_skipped_and_logged() -> None:
    decision = choose(7.5, SHORTER_AUDIO, mode="cut_off")
    assert map_area(decision, 5.6, 6) == []
    assert describe_area(decision, 5.6, 6) == (
        "5.6 s to 6 s of the source is not in the result: it was cut off, so nothing is erased there."
    )


def test_an_area_shown_twice_has_two_intervals() -> None:
    decision = choose(9.0, LONGER_AUDIO, mode="loop")
    assert map_area(decision, 2, 2.5) == [(2, 2.5), (4, 4.5)]
    assert (
        describe_area(decision, 2, 2.5) == "2 s to 2.5 s of the source is 2 s to 2.5 s and 4 s to 4.5 s of the result."
    )


def test_the_tolerance_grows_slower_than_linearly_with_cuts() -> None:
    assert length_tolerance(25, 1) == pytest.approx(0.14)
    assert length_tolerance(25, 100) == pytest.approx(0.5)
