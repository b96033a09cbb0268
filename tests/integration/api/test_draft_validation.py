"""The submit page's draft validation: what a browser knows about its files is enough to find most problems."""

from typing import Any

from deployments.api.pages.draft_validation import DraftJob, validate_draft


def make_segment(start: float, end: float, ref_id: str = "audio-1") -> dict[str, Any]:
    return {"startTime": start, "endTime": end, "audioInput": {"refId": ref_id}}


def problems_by_field(*segments: dict[str, Any], facts: dict[str, Any] | None = None, **changes: Any) -> dict[str, str]:
    """The problems of a draft with these segments, by field."""
    request = {
        "video": "s3://not-uploaded-yet/a%20talk.mp4",
        "audio": [{"refId": "audio-1", "source": "s3://not-uploaded-yet/new.wav"}],
        "segments": list(segments),
        "effects": [],
        **changes,
    }
    video = {"name": "a talk.mp4", "size": 1000, "duration": 10.0, "width": 640, "height": 360}
    audio = {"audio-1": {"name": "new.wav", "size": 100, "duration": 2.0}}
    draft = DraftJob.model_validate({"request": request, "facts": facts or {"video": video, "audio": audio}})
    return {problem.path: problem.message for problem in validate_draft(draft, "ada")}


def test_a_draft_without_faults_has_no_problems() -> None:
    assert problems_by_field(make_segment(0, 2), make_segment(2, 3)) == {}


def test_a_time_after_the_end_of_the_video_is_a_problem() -> None:
    assert problems_by_field(make_segment(0, 12)) == {"segments[0].endTime": "is 12 s, but the video lasts 10 s"}


def test_problems_use_the_pages_segment_order() -> None:
    assert list(problems_by_field(make_segment(9, 11), make_segment(0, 2))) == ["segments[0].endTime"]


def test_rules_between_fields_are_the_servers_own() -> None:
    assert "overlaps segments[0]" in problems_by_field(make_segment(0, 2), make_segment(1, 3))["segments[1].startTime"]


def test_a_file_of_a_wrong_kind_is_found_by_its_name() -> None:
    video = {"name": "talk.MKV", "size": 1, "duration": 10.0, "width": 640, "height": 360}
    audio = {"audio-1": {"name": "new.m4a", "size": 1, "duration": 2.0}}
    assert list(problems_by_field(make_segment(0, 2), facts={"video": video, "audio": audio})) == ["video"]


def test_unreadable_files_are_left_to_the_server() -> None:
    assert problems_by_field(make_segment(0, 12), facts={"video": None, "audio": {}}) == {}


def test_lists_as_json_text_are_accepted() -> None:
    text = '[{"startTime": 0, "endTime": 12, "audioInput": {"refId": "audio-1"}}]'
    assert list(problems_by_field(segments=text)) == ["segments[0].endTime"]
