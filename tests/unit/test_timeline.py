"""Carrying times over, worked out by hand."""

import pytest

from videojobs.intake import parse_request
from videojobs.request import SyncMode
from videojobs.timeline import (
    Clip,
    Decision,
    Interval,
    Timeline,
    carry,
    carry_area,
    clips,
    decide,
    describe_area,
    predict,
    tolerance_for,
    unchanged,
)

SOURCE = 8.0
LONGER = Clip(2.0, 4.0, audio_seconds=3.0)  # becomes 2-5
SHORTER = Clip(5.0, 6.0, audio_seconds=0.5)  # becomes 6-6.5 behind LONGER
BOTH = [LONGER, SHORTER]  # the result lasts 8.5


def remapped(*segments: Clip) -> Timeline:
    return predict(SOURCE, segments, "remap")


# ---- one segment, every mode ---------------------------------------------------------------------------------

MODES: list[tuple[SyncMode, Clip, float, dict[Interval, list[Interval]]]] = [
    # mode, segment, length of the result, {area: when it is seen}
    ("remap", LONGER, 9.0, {(2, 3): [(2, 3.5)], (3, 6): [(3.5, 7)]}),
    ("remap", SHORTER, 7.5, {(5, 5.5): [(5, 5.25)], (5.5, 7): [(5.25, 6.5)]}),
    ("cut_off", LONGER, 8.0, {(2, 4): [(2, 4)], (6, 7): [(6, 7)]}),
    ("cut_off", SHORTER, 7.5, {(5, 6): [(5, 5.5)], (5.6, 6): [], (5.6, 6.1): [(5.5, 5.6)], (6, 7): [(5.5, 6.5)]}),
    ("silence", LONGER, 9.0, {(2, 3): [(2, 3)], (3, 4): [(3, 5)], (4, 5): [(5, 6)]}),
    ("silence", SHORTER, 8.0, {(5, 6): [(5, 6)], (6, 7): [(6, 7)]}),
    ("loop", LONGER, 9.0, {(2, 2.5): [(2, 2.5), (4, 4.5)], (3, 3.5): [(3, 3.5)], (4, 5): [(5, 6)]}),
    ("loop", SHORTER, 7.5, {(5.6, 6): [], (6, 7): [(5.5, 6.5)]}),
    ("bounce", LONGER, 9.0, {(2, 3): [(2, 3)], (3, 3.5): [(3, 3.5), (4.5, 5)], (3.5, 4): [(3.5, 4.5)]}),
    ("bounce", SHORTER, 7.5, {(5.6, 6): [], (6, 7): [(5.5, 6.5)]}),
    ("bounce", Clip(2, 3, 3.5), 10.5, {(2, 2.5): [(2, 2.5), (3.5, 4.5)], (2.5, 3): [(2.5, 3.5), (4.5, 5.5)]}),
    ("loop", Clip(2, 3, 3.0), 10.0, {(2, 3): [(2, 5)], (3, 4): [(5, 6)]}),
]


@pytest.mark.parametrize(("mode", "segment", "length", "areas"), MODES, ids=str)
def test_each_mode_treats_its_segment_as_documented(
    mode: SyncMode, segment: Clip, length: float, areas: dict[Interval, list[Interval]]
) -> None:
    timeline = predict(SOURCE, [segment], mode)
    assert timeline.result_duration == pytest.approx(length)
    assert {area: carry(*area, timeline) for area in areas} == areas


def test_what_lies_before_the_first_segment_stays() -> None:
    assert carry(0.25, 1.75, remapped(*BOTH)) == [(0.25, 1.75)]


def test_each_segment_moves_what_lies_behind_it() -> None:
    timeline = remapped(*BOTH)
    assert timeline.result_duration == 8.5
    assert carry(4, 5, timeline) == [(5, 6)]
    assert carry(6, 8, timeline) == [(6.5, 8.5)]


def test_an_area_across_several_pieces_is_one_interval() -> None:
    assert carry(1, 7, remapped(*BOTH)) == [(1, 7.5)]


def test_times_are_rounded_outward_to_the_millisecond() -> None:
    assert carry(0.10004, 0.30006, unchanged(SOURCE)) == [(0.1, 0.301)]


def test_float_noise_does_not_widen_an_area() -> None:
    assert carry(1.001, 0.1 + 8.2 - 1, unchanged(SOURCE)) == [(1.001, 7.3)]  # 1001 and 7300 ms in floats: not quite


def test_an_area_behind_the_end_of_the_video_is_cut_to_it() -> None:
    assert carry(7.5, 8.02, unchanged(SOURCE)) == [(7.5, 8.0)]
    assert carry(8.0, 8.02, unchanged(SOURCE)) == []


def test_a_segment_that_ends_half_a_frame_behind_the_video_counts_to_its_end() -> None:
    timeline = predict(SOURCE, [Clip(6.0, 8.02, 3.0)], "remap")
    assert timeline.result_duration == 9.0
    assert carry(7, 8.02, timeline) == [(7.5, 9.0)]


def test_a_segment_without_any_audio_leaves_nothing_of_its_picture() -> None:
    assert carry(2, 4, remapped(Clip(2, 4, 0.0))) == []


def test_a_crop_is_the_length_of_the_audio_that_counts() -> None:
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
    lengths = [Clip(0, 2, 2.5), Clip(3, 4, 1.25), Clip(5, 6, 1.0), Clip(7, 8, 0.75)]
    assert clips(request.segments, {"a": 2.5}) == lengths


# ---- the decision --------------------------------------------------------------------------------------------


def decided(result: float, *segments: Clip, mode: SyncMode = "remap") -> Decision:
    return decide(predict(SOURCE, segments, mode), SOURCE, result, tolerance=0.1)


def test_a_result_as_long_as_predicted_moves_areas_with_their_segments() -> None:
    decision = decided(8.53, *BOTH)
    assert decision.kind == "changed"
    assert carry_area(decision, 4, 5) == [(5, 6)]
    assert decision.explanation == (
        "The lip-sync result is 8.53 s long (source 8 s), as the lengths of the audio clips predict: "
        "areas move with their segments."
    )


def test_a_result_as_long_as_the_source_leaves_areas_at_their_times() -> None:
    decision = decided(8.02, *BOTH)
    assert decision.kind == "kept"
    assert carry_area(decision, 4, 5) == [(4, 5)]
    assert "areas keep their times" in decision.explanation


def test_clips_as_long_as_their_segments_leave_no_doubt() -> None:
    decision = decided(8.0, Clip(2, 4, 2.0), Clip(5, 6, 1.0))
    assert decision.kind == "same"
    assert carry_area(decision, 4, 5) == [(4, 5)]
    assert "no segment moved" in decision.explanation


def test_clips_that_differ_by_less_than_the_tolerance_widen_areas_by_that_much() -> None:
    decision = decided(8.0, Clip(2, 4, 2.05), Clip(5, 6, 0.97))
    assert decision.kind == "same"
    assert carry_area(decision, 4, 5) == [(4, 5.05)]


def test_a_result_of_neither_length_widens_areas_over_both_and_says_so() -> None:
    decision = decided(8.3, *BOTH)  # 0.2 s short of the predicted length, 0.3 s more than the source
    assert decision.kind == "uncertain"
    assert carry_area(decision, 4, 5) == [(3.8, 6.2)]
    assert decision.explanation == (
        "The lip-sync result is 8.3 s long, which does not tell whether segments were re-timed (8.5 s expected) "
        "or kept their length (8 s): areas are widened to cover both, and by another 0.2 s."
    )


def test_widened_areas_stay_within_the_result() -> None:
    decision = decided(12.0, *BOTH)
    assert carry_area(decision, 0, 8) == [(0, 12.0)]
    assert carry_area(decided(4.0, *BOTH), 6, 8) == [(0.0, 4.0)]


def test_areas_scale_with_a_result_that_nobody_expected() -> None:
    decision = decided(16.0, LONGER)  # twice the source; 7 s more than predicted
    assert carry_area(decision, 7.5, 7.6) == [(0.5, 16.0)]


def test_one_clip_longer_and_another_shorter_by_the_same_cannot_be_confirmed_by_length() -> None:
    decision = decided(8.0, Clip(2, 4, 3.0), Clip(5, 7, 1.0))
    assert decision.kind == "uncertain"
    assert carry_area(decision, 4, 5) == [(4, 6)]
    assert carry_area(decision, 7, 8) == [(7, 8)]
    assert "does not tell" in decision.explanation


def test_an_area_to_the_end_reaches_the_end_of_a_result_that_is_a_frame_longer() -> None:
    assert carry_area(decided(8.54, *BOTH), 7, 8) == [(7.5, 8.54)]
    assert carry_area(decided(8.04, *BOTH), 7, 8) == [(7, 8.04)]
    assert carry_area(decided(8.04, *BOTH), 7, 7.9) == [(7, 7.9)]


def test_an_area_to_the_end_stops_with_a_result_that_is_a_frame_shorter() -> None:
    assert carry_area(decided(8.46, *BOTH), 7, 8) == [(7.5, 8.46)]


def test_an_area_that_was_cut_out_has_nothing_to_treat_and_the_log_says_so() -> None:
    decision = decided(7.5, SHORTER, mode="cut_off")
    assert carry_area(decision, 5.6, 6) == []
    assert describe_area(decision, 5.6, 6) == (
        "5.6 s to 6 s of the source is not in the result, it was cut off: nothing to treat."
    )


def test_an_area_that_is_seen_twice_has_two_intervals() -> None:
    decision = decided(9.0, LONGER, mode="loop")
    assert carry_area(decision, 2, 2.5) == [(2, 2.5), (4, 4.5)]
    assert (
        describe_area(decision, 2, 2.5) == "2 s to 2.5 s of the source is 2 s to 2.5 s and 4 s to 4.5 s of the result."
    )


def test_the_tolerance_grows_with_cuts_but_slower_than_a_drift_would() -> None:
    assert tolerance_for(25, 1) == pytest.approx(0.14)
    assert tolerance_for(25, 100) == pytest.approx(0.5)
