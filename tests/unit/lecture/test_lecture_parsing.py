"""Parsing of lecture requests, and their error messages."""

import json
from typing import Any

import pytest

from videojobs.errors import InvalidRequest
from videojobs.lecture.options import LectureOptions
from videojobs.lecture.parsing import parse_admitted_lecture, parse_lecture
from videojobs.lecture.request import LectureRequest
from videojobs.pipeline.facts import JobFacts
from videojobs.requests.models import fingerprint, to_canonical_json
from videojobs.settings import AccessSettings

VALID_LECTURE: dict[str, Any] = {"video": "https://example.com/lecture.mp4", "user_id": "ada"}


def refused_problems(**changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as found:
        parse_lecture({**VALID_LECTURE, **changes}, access=AccessSettings(allow_local_files=False))
    return {problem.path: problem.message for problem in found.value.errors}


def test_a_video_is_enough() -> None:
    assert parse_lecture(VALID_LECTURE) == LectureRequest(
        video=VALID_LECTURE["video"], user_id="ada", options=LectureOptions()
    )


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_options_may_be_json_text_encoded_once_or_twice(levels: int) -> None:
    options: object = {"pdf": {"font_size": 12.0}}
    for _ in range(levels):
        options = json.dumps(options)
    assert parse_lecture({**VALID_LECTURE, "options": options}).options.pdf.font_size == 12


def test_a_blank_name_is_none() -> None:
    assert parse_lecture({**VALID_LECTURE, "display_name": " "}).display_name is None


def test_a_request_survives_storage_unchanged() -> None:
    wanted = parse_lecture({**VALID_LECTURE, "options": {"slides": {"masks": [{"x": 0, "y": 0, "w": 0.2, "h": 0.2}]}}})
    stored = json.loads(json.dumps(to_canonical_json(wanted)))
    assert LectureRequest.model_validate(stored) == wanted == parse_lecture(stored)
    assert fingerprint(parse_lecture(stored)) == fingerprint(wanted)


def test_all_problems_are_reported_at_once_with_their_fields() -> None:
    found = refused_problems(
        video="/etc/passwd",
        user_id="../eve",
        speed=2,
        options={
            "speech": {"language": "English", "engine": "magic"},
            "slides": {"sensitivity": 3, "masks": [{"x": 2, "y": 0, "w": 1}]},
            "subtitles": [],
        },
    )
    assert found.keys() == {
        "video", "user_id", "speed", "options.speech.language", "options.speech.engine", "options.slides.sensitivity",
        "options.slides.masks[0].x", "options.slides.masks[0].h", "options.subtitles",
    }  # fmt: skip
    assert found["options.speech.language"] == "must be the two or three letters of a language, such as en"
    assert found["options.slides.sensitivity"] == "must be 0.98 or less"


@pytest.mark.parametrize("options", ["{", 5, [1], '"' + "x" * 10 + '"'])
def test_options_that_are_none_are_refused(options: object) -> None:
    assert "options" in refused_problems(options=options)


def test_a_request_that_is_no_object_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="must be an object"):
        parse_lecture([])  # type: ignore[arg-type]


def test_an_admitted_lecture_is_not_refused_by_stricter_access(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fingerprint is that of the first admission."""
    raw = {**VALID_LECTURE, "video": "http://media.test/lecture.mp4"}
    admitted = parse_lecture(raw, access=AccessSettings(allow_plain_http=True))
    with pytest.raises(InvalidRequest):
        parse_lecture(raw)
    assert fingerprint(parse_admitted_lecture(to_canonical_json(admitted))) == fingerprint(admitted)


def test_stored_facts_of_another_version_are_readable() -> None:
    info = {"duration": 5, "width": 1, "height": 1, "frame_rate": 1, "has_sound": True, "container": "mp4", "size": 1}
    assert JobFacts.model_validate({"lecture": {**info, "of_a_newer_version": 1}}).lecture_info.duration == 5
