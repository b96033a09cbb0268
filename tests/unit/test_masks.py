"""Maps areas on the source video to masks on the lip-sync result."""

from typing import Any

from tests.support.measured_facts import audio_facts, video_facts
from videojobs.pipeline.facts import JobFacts
from videojobs.pipeline.masks import build_masks, explain_timeline, resolve_timeline, text_removal_source
from videojobs.requests.models import JobRequest, Segment
from videojobs.requests.parsing import parse_request


def make_effects_request(*areas: dict[str, Any], **options: str) -> JobRequest:
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


def make_facts(*, audio: float, result: float) -> JobFacts:
    return JobFacts(
        video=video_facts(), audio={"a": audio_facts(duration=audio)}, lip_sync=video_facts(duration=result)
    )


def mask_intervals(request: JobRequest, facts: JobFacts) -> list[tuple[str, float, float]]:
    masks = build_masks(request, resolve_timeline(request, facts), facts.source_video.frame_rate)
    return [(mask.kind, round(mask.start, 6), round(mask.end, 6)) for mask in masks]


def test_an_area_after_a_longer_segment_is_erased_later() -> None:
    request = make_effects_request({"kind": "erasure", "start": 5, "end": 6})
    assert mask_intervals(request, make_facts(audio=3.0, result=11.0)) == [
        ("erasure", 5.96, 7.04)
    ]  # one more frame at both ends


def test_an_area_after_a_shorter_segment_is_erased_earlier() -> None:
    request = make_effects_request({"kind": "erasure", "start": 5, "end": 6})
    assert mask_intervals(request, make_facts(audio=1.0, result=9.0)) == [("erasure", 3.96, 5.04)]


def test_an_area_inside_a_segment_is_stretched_with_it() -> None:
    request = make_effects_request({"kind": "text", "start": 2.5, "end": 3.5})
    assert mask_intervals(request, make_facts(audio=4.0, result=12.0)) == [("text", 2.96, 5.08)]


def test_a_result_of_unchanged_length_keeps_the_area_times() -> None:
    request = make_effects_request({"kind": "erasure", "start": 5, "end": 6})
    assert mask_intervals(request, make_facts(audio=3.0, result=10.0)) == [("erasure", 5.0, 6.0)]


def test_an_unexpected_length_widens_the_area_with_a_note() -> None:
    request = make_effects_request({"kind": "erasure", "start": 5, "end": 6})
    facts = make_facts(audio=3.0, result=13.0)
    [(_, start, end)] = mask_intervals(request, facts)
    assert start <= 5.0
    assert end >= 9.0
    assert "widened" in explain_timeline(request, resolve_timeline(request, facts))[0]


def test_an_area_that_ends_within_a_frame_covers_the_whole_frame() -> None:
    request = make_effects_request({"kind": "erasure", "start": 5, "end": 6.3})
    assert mask_intervals(request, make_facts(audio=3.0, result=10.0)) == [("erasure", 5.0, 6.32)]


def test_a_mask_never_begins_before_the_video() -> None:
    request = make_effects_request({"kind": "erasure", "start": 0, "end": 1})
    assert mask_intervals(request, make_facts(audio=3.0, result=11.0)) == [("erasure", 0.0, 1.04)]


def test_times_follow_the_segments_sent_to_the_vendor() -> None:
    request = make_effects_request({"kind": "erasure", "start": 5, "end": 6})
    sent = {"startTime": 2, "endTime": 3.98, "audioInput": {"refId": "a", "startTime": 0.5, "endTime": 2.48}}
    sent_segments = [Segment.model_validate(sent)]
    facts = make_facts(audio=3.0, result=10.0).model_copy(update={"sent_segments": sent_segments})
    assert resolve_timeline(request, facts).kind == "equivalent"
    assert mask_intervals(request, facts) == [("erasure", 5.0, 6.0)]


def test_the_box_and_the_kind_of_an_area_stay_what_they_were() -> None:
    request = make_effects_request(
        {"kind": "protection", "start": 5, "end": 6}, {"kind": "erasure", "start": 5, "end": 6}
    )
    masks = build_masks(request, resolve_timeline(request, make_facts(audio=2.0, result=10.0)), 25.0)
    assert [(mask.kind, mask.x, mask.y, mask.w, mask.h) for mask in masks] == [
        ("protection", 0.1, 0.2, 0.3, 0.3),
        ("erasure", 0.1, 0.2, 0.3, 0.3),
    ]


def test_an_area_cut_out_with_its_segment_needs_no_mask() -> None:
    request = make_effects_request({"kind": "erasure", "start": 3.2, "end": 3.8}, sync_mode="cut_off")
    facts = make_facts(audio=1.0, result=9.0)
    assert mask_intervals(request, facts) == []
    assert "not in the result" in explain_timeline(request, resolve_timeline(request, facts))[1]


def test_protection_alone_needs_no_text_removal() -> None:
    cut_out = {"kind": "erasure", "start": 3.2, "end": 3.8}
    request = make_effects_request(cut_out, {"kind": "protection", "start": 5, "end": 6}, sync_mode="cut_off")
    assert mask_intervals(request, make_facts(audio=1.0, result=9.0)) == []


def test_a_repeated_interval_is_erased_each_time() -> None:
    request = make_effects_request({"kind": "erasure", "start": 2, "end": 2.5}, sync_mode="loop")
    assert mask_intervals(request, make_facts(audio=4.0, result=12.0)) == [
        ("erasure", 1.96, 2.56),
        ("erasure", 3.96, 4.56),
    ]


def test_one_mask_per_area_spans_all_of_its_times() -> None:
    request = make_effects_request({"kind": "text", "start": 2, "end": 2.5}, sync_mode="loop", inpaint_model="advanced")
    facts = make_facts(audio=4.0, result=12.0)
    masks = build_masks(request, resolve_timeline(request, facts), 25.0, one_per_area=True)
    assert [(mask.kind, round(mask.start, 6), round(mask.end, 6)) for mask in masks] == [("text", 1.96, 4.56)]


# ---- other kinds of jobs ---------------------------------------------------------------------------------------


def test_without_lip_sync_areas_keep_their_times() -> None:
    area = {"kind": "erasure", "start": 5, "end": 12}
    request = make_effects_request(area).model_copy(update={"audio": [], "segments": []})
    facts = JobFacts(video=video_facts(duration=10.0, height=480))
    assert mask_intervals(request, facts) == [("erasure", 5.0, 10.0)]
    assert text_removal_source(request, facts).height == 480
    assert explain_timeline(request, resolve_timeline(request, facts))[0].startswith("There is no lip-sync")


def test_one_audio_for_the_whole_video_repeats_an_area() -> None:
    area = {"kind": "erasure", "start": 2, "end": 3}
    request = make_effects_request(area, sync_mode="loop").model_copy(update={"segments": []})
    facts = make_facts(audio=14.0, result=14.0).model_copy(update={"sent_segments": []})
    assert mask_intervals(request, facts) == [("erasure", 1.96, 3.04), ("erasure", 11.96, 13.04)]
    shorter = make_facts(audio=4.0, result=4.0).model_copy(update={"sent_segments": []})
    assert mask_intervals(request, shorter) == [("erasure", 1.96, 3.04)]


def test_the_whole_frame_keeps_what_is_protected() -> None:
    request = make_effects_request({"kind": "protection", "start": 5, "end": 6})
    assert mask_intervals(request, make_facts(audio=2.0, result=10.0)) == [("protection", 5.0, 6.0)]
    explanation = explain_timeline(request, resolve_timeline(request, make_facts(audio=2.0, result=10.0)))
    assert "Text is removed from the whole frame." in explanation
