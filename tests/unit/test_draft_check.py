"""The rules, asked by the submit page: what a browser knows of its files is enough to find most problems."""

from typing import Any

from deployments.gateway.pages.check import Draft, problems_of


def segment(start: float, end: float, ref_id: str = "audio-1") -> dict[str, Any]:
    return {"startTime": start, "endTime": end, "audioInput": {"refId": ref_id}}


def found(*segments: dict[str, Any], facts: dict[str, Any] | None = None, **changes: Any) -> dict[str, str]:
    """The problems of a draft with these segments, by their fields."""
    request = {
        "video": "s3://not-uploaded-yet/a%20talk.mp4",
        "audio": [{"refId": "audio-1", "source": "s3://not-uploaded-yet/new.wav"}],
        "segments": list(segments),
        "effects": [],
        **changes,
    }
    video = {"name": "a talk.mp4", "size": 1000, "duration": 10.0, "width": 640, "height": 360}
    audio = {"audio-1": {"name": "new.wav", "size": 100, "duration": 2.0}}
    draft = Draft.model_validate({"request": request, "facts": facts or {"video": video, "audio": audio}})
    return {problem.path: problem.message for problem in problems_of(draft, "ada")}


def test_a_draft_without_faults_has_no_problems() -> None:
    assert found(segment(0, 2), segment(2, 3)) == {}


def test_a_time_behind_the_end_of_the_video_is_found_before_anything_is_sent() -> None:
    assert found(segment(0, 12)) == {"segments[0].endTime": "is 12 s, but the video lasts 10 s"}


def test_problems_name_segments_in_the_order_in_which_the_page_has_them() -> None:
    assert list(found(segment(9, 11), segment(0, 2))) == ["segments[0].endTime"]


def test_rules_between_fields_are_the_servers_own() -> None:
    assert "overlaps segments[0]" in found(segment(0, 2), segment(1, 3))["segments[1].startTime"]


def test_a_file_of_a_wrong_kind_is_found_by_its_name() -> None:
    video = {"name": "talk.MKV", "size": 1, "duration": 10.0, "width": 640, "height": 360}
    audio = {"audio-1": {"name": "new.m4a", "size": 1, "duration": 2.0}}
    assert list(found(segment(0, 2), facts={"video": video, "audio": audio})) == ["video"]


def test_what_the_browser_cannot_play_is_left_to_the_server() -> None:
    assert found(segment(0, 12), facts={"video": None, "audio": {}}) == {}


def test_lists_as_text_are_no_reason_to_fall_over() -> None:
    text = '[{"startTime": 0, "endTime": 12, "audioInput": {"refId": "audio-1"}}]'
    assert list(found(segments=text)) == ["segments[0].endTime"]
