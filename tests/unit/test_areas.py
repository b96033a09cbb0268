"""From areas on the source video to masks on the lip-sync result."""

from typing import Any

from videojobs.areas import decision_for, explain, masks_for
from videojobs.intake import parse_request
from videojobs.request import JobRequest


def a_request(*areas: dict[str, Any], **options: str) -> JobRequest:
    box = {"x": 0.1, "y": 0.2, "w": 0.3, "h": 0.3}
    return parse_request(
        {
            "video": "s3://bucket/v.mp4",
            "audio": [{"refId": "a", "source": "s3://bucket/a.wav"}],
            "segments": [{"startTime": 2, "endTime": 4, "audioInput": {"refId": "a"}}],
            "effects": [box | area for area in areas],
            "user_id": "ada",
            "options": options,
        }
    )


def measured(*, audio: float, result: float) -> dict[str, Any]:
    return {
        "video": {"duration": 10.0, "frame_rate": 25.0},
        "audio": {"a": {"duration": audio}},
        "lip_sync": {"duration": result},
    }


def spans(request: JobRequest, facts: dict[str, Any]) -> list[tuple[str, float, float]]:
    masks = masks_for(request, decision_for(request, facts), facts["video"]["frame_rate"])
    return [(mask.kind, round(mask.start, 6), round(mask.end, 6)) for mask in masks]


def test_an_area_behind_a_segment_that_grew_is_wiped_later() -> None:
    request = a_request({"kind": "erasure", "start": 5, "end": 6})
    assert spans(request, measured(audio=3.0, result=11.0)) == [("erasure", 5.96, 7.04)]  # a frame more at both ends


def test_an_area_behind_a_segment_that_shrank_is_wiped_earlier() -> None:
    request = a_request({"kind": "erasure", "start": 5, "end": 6})
    assert spans(request, measured(audio=1.0, result=9.0)) == [("erasure", 3.96, 5.04)]


def test_an_area_inside_a_segment_is_stretched_with_it() -> None:
    request = a_request({"kind": "text", "start": 2.5, "end": 3.5})
    assert spans(request, measured(audio=4.0, result=12.0)) == [("text", 2.96, 5.08)]


def test_a_vendor_that_kept_the_length_leaves_the_times_as_they_were() -> None:
    request = a_request({"kind": "erasure", "start": 5, "end": 6})
    assert spans(request, measured(audio=3.0, result=10.0)) == [("erasure", 5.0, 6.0)]


def test_a_length_that_nobody_expected_widens_the_area_and_says_so() -> None:
    request = a_request({"kind": "erasure", "start": 5, "end": 6})
    facts = measured(audio=3.0, result=13.0)
    [(_, start, end)] = spans(request, facts)
    assert start <= 5.0
    assert end >= 9.0
    assert "widened" in explain(request, decision_for(request, facts))[0]


def test_an_area_that_ends_within_a_frame_is_wiped_until_that_frame_is_over() -> None:
    request = a_request({"kind": "erasure", "start": 5, "end": 6.3})
    assert spans(request, measured(audio=3.0, result=10.0)) == [("erasure", 5.0, 6.32)]


def test_a_mask_never_begins_before_the_video() -> None:
    request = a_request({"kind": "erasure", "start": 0, "end": 1})
    assert spans(request, measured(audio=3.0, result=11.0)) == [("erasure", 0.0, 1.04)]


def test_times_follow_the_segments_that_were_sent_not_those_that_were_asked_for() -> None:
    request = a_request({"kind": "erasure", "start": 5, "end": 6})
    sent = {"startTime": 2, "endTime": 3.98, "audioInput": {"refId": "a", "startTime": 0.5, "endTime": 2.48}}
    facts = measured(audio=3.0, result=10.0) | {"sent_segments": [sent]}
    assert decision_for(request, facts).kind == "same"
    assert spans(request, facts) == [("erasure", 5.0, 6.0)]


def test_the_box_and_the_kind_of_an_area_stay_what_they_were() -> None:
    request = a_request({"kind": "protection", "start": 5, "end": 6}, {"kind": "erasure", "start": 5, "end": 6})
    masks = masks_for(request, decision_for(request, measured(audio=2.0, result=10.0)), 25.0)
    assert [(mask.kind, mask.x, mask.y, mask.w, mask.h) for mask in masks] == [
        ("protection", 0.1, 0.2, 0.3, 0.3),
        ("erasure", 0.1, 0.2, 0.3, 0.3),
    ]


def test_an_area_that_was_cut_out_with_its_segment_needs_no_mask() -> None:
    request = a_request({"kind": "erasure", "start": 3.2, "end": 3.8}, sync_mode="cut_off")
    facts = measured(audio=1.0, result=9.0)
    assert spans(request, facts) == []
    assert "not in the result" in explain(request, decision_for(request, facts))[1]


def test_protection_alone_is_nothing_to_wipe() -> None:
    cut_out = {"kind": "erasure", "start": 3.2, "end": 3.8}
    request = a_request(cut_out, {"kind": "protection", "start": 5, "end": 6}, sync_mode="cut_off")
    assert spans(request, measured(audio=1.0, result=9.0)) == []


def test_a_picture_that_is_repeated_is_wiped_each_time() -> None:
    request = a_request({"kind": "erasure", "start": 2, "end": 2.5}, sync_mode="loop")
    assert spans(request, measured(audio=4.0, result=12.0)) == [("erasure", 1.96, 2.56), ("erasure", 3.96, 4.56)]


def test_a_model_that_takes_one_box_gets_one_for_the_whole_time() -> None:
    request = a_request({"kind": "text", "start": 2, "end": 2.5}, sync_mode="loop", inpaint_model="advanced")
    assert spans(request, measured(audio=4.0, result=12.0)) == [("text", 1.96, 4.56)]
