"""What gets through the door, in which forms, and what comes out of it."""

import json
import os
import string
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from videojobs.errors import InvalidRequest
from videojobs.request import (
    AnnotationArea,
    AudioFile,
    AudioInput,
    JobRequest,
    Options,
    Segment,
    canonical,
    fingerprint,
    parse_request,
)
from videojobs.settings import Access

RAW: dict[str, Any] = {
    "video": "s3://media/talk.mp4",
    "audio": [
        {"refId": "audio-1", "source": "s3://media/one.wav"},
        {"refId": "audio-2", "source": "https://example.com/two.wav?signature=abc"},
    ],
    "segments": [
        {"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1"}},
        {"startTime": 2.1, "endTime": 3.5, "audioInput": {"refId": "audio-2"}},
    ],
    "effects": [{"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.1, "end": 8.3}],
    "user_id": "user-1",
}


@pytest.fixture(autouse=True, scope="module")
def _bare_environment() -> Iterator[None]:
    """Defaults are tested, whatever the developer's environment says."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("VIDEOJOBS_")]:
            patch.delenv(name)
        yield


def parsed(**changes: object) -> JobRequest:
    return parse_request({**deepcopy(RAW), **changes})


# ---- forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["audio", "segments", "effects"])
@pytest.mark.parametrize("times", [1, 2])
def test_lists_may_be_json_text_once_or_twice_encoded(name: str, times: int) -> None:
    value = RAW[name]
    for _ in range(times):
        value = json.dumps(value)
    assert parsed(**{name: value}) == parsed()


@pytest.mark.parametrize("nothing", [None, "", "  ", [], (), "[]", "null", '""', '"[]"', '"null"'])
def test_no_effects_in_any_form_is_an_empty_list(nothing: object) -> None:
    assert parsed(effects=nothing).effects == []


def test_effects_may_be_absent() -> None:
    assert parse_request({name: value for name, value in RAW.items() if name != "effects"}).effects == []


def test_the_old_spellings_of_an_area_mean_the_same() -> None:
    old = {"type": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "startTime": 4.1, "endTime": 8.3}
    assert parsed(effects=[old]) == parsed()


def test_what_a_form_has_made_into_models_is_taken_as_it_is() -> None:
    request = parse_request(
        {
            "video": "s3://media/talk.mp4",
            "audio": [AudioFile(refId="a", source="s3://media/one.wav")],
            "segments": [Segment(startTime=0, endTime=2, audioInput=AudioInput(refId="a"))],
            "effects": [AnnotationArea(kind="text", x=0, y=0, w=1, h=1, start=0, end=1)],
            "user_id": "user-1",
            "options": Options(model="sync-3"),
        }
    )
    assert (request.options.model, request.effects[0].kind) == ("sync-3", "text")


def test_the_input_is_left_as_it_was() -> None:
    raw = {**deepcopy(RAW), "segments": json.dumps(RAW["segments"])}
    before = deepcopy(raw)
    parse_request(raw)
    assert raw == before


# ---- what is allowed -----------------------------------------------------------------------------------------


def test_the_defaults_are_the_owners() -> None:
    options = parsed().options
    assert (options.model, options.sync_mode) == ("lipsync-2", "remap")
    assert (options.inpaint_model, options.inpaint_language) == ("basic", "all")


def test_segments_come_out_sorted_by_their_start() -> None:
    assert parsed(segments=RAW["segments"][::-1]) == parsed()


def test_segments_may_touch_even_when_their_times_were_computed() -> None:
    first = {"startTime": 0, "endTime": 0.1 + 0.2, "audioInput": {"refId": "audio-1"}}
    second = {"startTime": 0.3, "endTime": 1, "audioInput": {"refId": "audio-2"}}
    times = [(segment.startTime, segment.endTime) for segment in parsed(segments=[first, second]).segments]
    assert times == [(0, 0.3), (0.3, 1)]


def test_two_segments_may_speak_parts_of_one_audio() -> None:
    segments = deepcopy(RAW["segments"])
    segments[0]["audioInput"] = {"refId": "audio-1", "startTime": 0, "endTime": 1.5}
    segments[1]["audioInput"] = {"refId": "audio-1", "startTime": 1.5, "endTime": 3}
    assert len(parsed(segments=segments, audio=RAW["audio"][:1]).segments) == 2


def test_an_area_may_reach_the_edge_in_spite_of_float_noise() -> None:
    noise = 5e-7
    area = {"kind": "text", "x": 0.2, "y": 0.1, "w": 0.8 + noise, "h": 0.9 + noise, "start": 0, "end": 1}
    assert len(parsed(effects=[area]).effects) == 1


def test_areas_may_overlap_and_protection_goes_with_erasure() -> None:
    area = RAW["effects"][0]
    assert len(parsed(effects=[area, area, {**area, "kind": "protection"}]).effects) == 3


def test_an_advanced_model_takes_small_areas_of_text() -> None:
    area = {**RAW["effects"][0], "kind": "text", "w": 0.49}
    for model, areas in [("advanced", [area]), ("advanced_large_box", [area]), ("advanced_lite", [area] * 10)]:
        assert len(parsed(effects=areas, options={"inpaint_model": model}).effects) == len(areas)


def test_the_text_removal_model_does_not_matter_without_areas() -> None:
    assert parsed(effects=[], options={"inpaint_model": "advanced", "inpaint_language": "en"}).effects == []


@pytest.mark.parametrize("blank", [None, "", "   "])
def test_a_blank_display_name_is_none(blank: str | None) -> None:
    assert parsed(display_name=blank).display_name is None


def test_space_around_a_name_or_a_place_is_not_part_of_it() -> None:
    request = parsed(display_name=" Talk ", video="\ts3://media/talk.mp4\n")
    assert (request.display_name, request.video) == ("Talk", "s3://media/talk.mp4")


@pytest.mark.parametrize(
    "place", ["s3://my.bucket-1/a b/ü#?.mp4", "https://example.com:8443/v.mp4?a=1", "HTTPS://x.io"]
)
def test_places_that_everybody_may_use(place: str) -> None:
    assert parsed(video=place).video == place


@pytest.mark.parametrize("place", ["/home/me/talk.mp4", "talk.mp4", "C:\\talk.mp4", "file:///home/me/talk.mp4"])
def test_a_local_stack_may_use_files(place: str) -> None:
    assert parse_request({**RAW, "video": place}, access=Access(allow_local_files=True)).video == place


def test_a_local_stack_may_use_plain_http_under_the_same_rules() -> None:
    access = Access(allow_plain_http=True)
    assert parse_request({**RAW, "video": "http://localhost:9000/v.mp4"}, access=access).video
    with pytest.raises(InvalidRequest, match="user name or password"):
        parse_request({**RAW, "video": "http://me:secret@localhost/v.mp4"}, access=access)


def test_access_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_ALLOW_LOCAL_FILES", "true")
    assert parsed(video="talk.mp4").video == "talk.mp4"


def test_a_request_cannot_be_changed_behind_the_door() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        parsed().video = "other"  # type: ignore[misc]  # what the test is about


# ---- what is stored ------------------------------------------------------------------------------------------


def test_the_stored_form_is_plain_json_under_the_public_names() -> None:
    stored = canonical(parsed(effects=[{**RAW["effects"][0], "label": "logo"}]))
    assert json.loads(json.dumps(stored)) == stored
    assert stored["segments"][0] == {"startTime": 0.0, "endTime": 2.0, "audioInput": {"refId": "audio-1"}}
    assert stored["effects"] == [{**RAW["effects"][0], "label": "logo"}]


def test_the_stored_form_of_no_effects_is_an_array() -> None:
    assert canonical(parsed(effects=""))["effects"] == []


def test_the_stored_form_gives_the_same_request_back() -> None:
    request = parsed(display_name="Talk")
    assert parse_request(canonical(request)) == request == JobRequest.model_validate(canonical(request))


def test_the_fingerprint_is_the_same_whatever_the_form() -> None:
    shuffled = [dict(reversed(list(segment.items()))) for segment in reversed(RAW["segments"])]
    whole = [{**RAW["segments"][0], "startTime": -0.0, "endTime": 2.0}, RAW["segments"][1]]
    same = [parsed(segments=json.dumps(shuffled)), parsed(segments=whole), parsed(options={}, display_name="")]
    assert {fingerprint(request) for request in same} == {fingerprint(parsed())}


@pytest.mark.parametrize(
    "other",
    [
        {"video": "s3://media/other.mp4"},
        {"effects": None},
        {"user_id": "user-2"},
        {"options": {"model": "sync-3"}},
        {"segments": [RAW["segments"][0], {**RAW["segments"][1], "endTime": 3.6}]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_the_fingerprint_of_another_request_is_another(other: dict[str, object]) -> None:
    assert fingerprint(parsed(**other)) != fingerprint(parsed())


def test_the_fingerprint_stays_the_same_between_releases() -> None:
    known = "2d264d300137e0cade5e9e62fd2dc6de46108bfe235b970cc65f7b595ec87094"
    assert fingerprint(parsed()) == known


# ---- whatever comes ------------------------------------------------------------------------------------------

names = st.sampled_from(["startTime", "endTime", "refId", "audioInput", "kind", "type", "x", "w", "label", "source"])
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["audio-1", "text", "[]", "\ud800", "\x00"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=4)),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from([*RAW, "options", "display_name", "more"]), anything, max_size=4))
def test_whatever_comes_is_a_request_or_problems_in_plain_words(changes: dict[str, object]) -> None:
    try:
        request = parsed(**changes)
    except InvalidRequest as refusal:
        for problem in refusal.problems:
            assert problem.path
            assert "Input should" not in problem.message
            assert problem.message[0] in string.ascii_lowercase
    else:
        assert parse_request(canonical(request)) == request
