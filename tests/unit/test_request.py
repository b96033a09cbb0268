"""The request model, its stored form, and valid job ids."""

import json

import pytest
from pydantic import ValidationError

from tests.support.example_request import RAW_REQUEST, make_request
from videojobs.errors import InvalidRequest
from videojobs.requests.models import JobRequest, fingerprint, to_canonical_json, validate_job_id
from videojobs.requests.parsing import parse_request


def test_the_defaults_are_the_owners() -> None:
    options = make_request().options
    assert (options.model, options.sync_mode) == ("lipsync-2", "remap")
    assert (options.inpaint_model, options.inpaint_language) == ("basic", "all")


@pytest.mark.parametrize("blank", [None, "", "   "])
def test_a_blank_display_name_is_none(blank: str | None) -> None:
    assert make_request(display_name=blank).display_name is None


def test_spaces_around_names_and_uris_are_stripped() -> None:
    request = make_request(display_name=" Talk ", video="\ts3://media/talk.mp4\n")
    assert (request.display_name, request.video) == ("Talk", "s3://media/talk.mp4")


def test_a_request_is_immutable_after_validation() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        make_request().video = "other"  # type: ignore[misc]  # the subject of the test


# ---- the stored form -----------------------------------------------------------------------------------------


def test_the_stored_form_is_plain_json_under_the_public_names() -> None:
    stored = to_canonical_json(make_request(effects=[{**RAW_REQUEST["effects"][0], "label": "logo"}]))
    assert json.loads(json.dumps(stored)) == stored
    assert stored["segments"][0] == {"startTime": 0.0, "endTime": 2.0, "audioInput": {"refId": "audio-1"}}
    assert stored["effects"] == [{**RAW_REQUEST["effects"][0], "label": "logo"}]


SPEAKER_BOX = {"x1": 0.1, "y1": 0.2, "x2": 0.4, "y2": 0.6, "method": "manual"}


def test_a_speaker_box_is_stored_and_changes_no_other_request() -> None:
    plain, other = RAW_REQUEST["segments"]
    boxed = make_request(segments=[{**plain, "speakerBox": SPEAKER_BOX}, {**other, "speakerBox": None}])
    first, second = to_canonical_json(boxed)["segments"]
    assert (first["speakerBox"], "speakerBox" in second) == (SPEAKER_BOX, False)
    without = make_request(segments=[{**plain, "speakerBox": None}, other])
    assert fingerprint(without) == fingerprint(make_request()) != fingerprint(boxed)


def test_the_stored_form_of_no_effects_is_an_array() -> None:
    assert to_canonical_json(make_request(effects=""))["effects"] == []


def test_an_older_request_keeps_its_fingerprint() -> None:
    """Jobs of earlier versions are found by it; it was computed by the first version."""
    assert fingerprint(make_request()) == "2d264d300137e0cade5e9e62fd2dc6de46108bfe235b970cc65f7b595ec87094"


def test_the_stored_form_gives_the_same_request_back() -> None:
    request = make_request(display_name="Talk")
    assert parse_request(to_canonical_json(request)) == request == JobRequest.model_validate(to_canonical_json(request))


def test_the_fingerprint_is_the_same_whatever_the_form() -> None:
    shuffled = [dict(reversed(list(segment.items()))) for segment in reversed(RAW_REQUEST["segments"])]
    whole = [{**RAW_REQUEST["segments"][0], "startTime": -0.0, "endTime": 2.0}, RAW_REQUEST["segments"][1]]
    same = [
        make_request(segments=json.dumps(shuffled)),
        make_request(segments=whole),
        make_request(options={}, display_name=""),
    ]
    same += [make_request(options=text) for text in ("", "{}", json.dumps(json.dumps({"model": "lipsync-2"})))]
    assert {fingerprint(request) for request in same} == {fingerprint(make_request())}


@pytest.mark.parametrize(
    "other",
    [
        {"video": "s3://media/other.mp4"},
        {"effects": None},
        {"user_id": "user-2"},
        {"options": {"model": "sync-3"}},
        {"segments": [RAW_REQUEST["segments"][0], {**RAW_REQUEST["segments"][1], "endTime": 3.6}]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_fingerprint_of_another_request_is_another(other: dict[str, object]) -> None:
    assert fingerprint(make_request(**other)) != fingerprint(make_request())


def test_the_fingerprint_is_stable_between_releases() -> None:
    known = "2d264d300137e0cade5e9e62fd2dc6de46108bfe235b970cc65f7b595ec87094"
    assert fingerprint(make_request()) == known


# ---- job ids -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "a b", "a/b", "../x", "-a", "x" * 65, "job\n", None, 7])
def test_a_job_id_that_is_unsafe_in_a_path_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest, match="job_id: must be 1 to 64 letters"):
        validate_job_id(value)


@pytest.mark.parametrize("value", ["1", "0191e5f0-7b1a-7000-8000-1a2b3c4d5e6f", "job_1.final"])
def test_a_job_id_that_is_safe_in_a_path_is_accepted(value: str) -> None:
    assert validate_job_id(value) == value
