"""The accepted formats of a request. Rejected ones are in test_request_refusals.py."""

import json
import string
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.example_request import RAW_REQUEST, make_request
from videojobs.errors import InvalidRequest
from videojobs.requests.models import (
    AnnotationArea,
    AudioFile,
    AudioInput,
    Options,
    Segment,
    fingerprint,
    to_canonical_json,
)
from videojobs.requests.parsing import parse_admitted_request, parse_json_strict, parse_request


@pytest.mark.parametrize("name", ["audio", "segments", "effects"])
@pytest.mark.parametrize("times", [1, 2])
def test_lists_may_be_json_text_once_or_twice_encoded(name: str, times: int) -> None:
    value = RAW_REQUEST[name]
    for _ in range(times):
        value = json.dumps(value)
    assert make_request(**{name: value}) == make_request()


@pytest.mark.parametrize("nothing", [None, "", "  ", [], (), "[]", "null", '""', '"[]"', '"null"'])
def test_no_effects_in_any_form_is_an_empty_list(nothing: object) -> None:
    assert make_request(effects=nothing).effects == []


def test_effects_may_be_absent() -> None:
    assert parse_request({name: value for name, value in RAW_REQUEST.items() if name != "effects"}).effects == []


def test_the_old_spellings_of_an_area_mean_the_same() -> None:
    old = {"type": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "startTime": 4.1, "endTime": 8.3}
    assert make_request(effects=[old]) == make_request()


def test_model_instances_are_accepted_as_they_are() -> None:
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


def test_segments_come_out_sorted_by_their_start() -> None:
    assert make_request(segments=RAW_REQUEST["segments"][::-1]) == make_request()


def test_the_input_is_left_as_it_was() -> None:
    raw = {**deepcopy(RAW_REQUEST), "segments": json.dumps(RAW_REQUEST["segments"])}
    before = deepcopy(raw)
    parse_request(raw)
    assert raw == before


# ---- arbitrary input -----------------------------------------------------------------------------------------

field_names = st.sampled_from(
    ["startTime", "endTime", "refId", "audioInput", "kind", "type", "x", "w", "label", "source"]
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(["audio-1", "text", "[]", "\ud800", "\x00"])
)
json_values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(field_names, inner, max_size=4)),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.dictionaries(st.sampled_from([*RAW_REQUEST, "options", "display_name", "more"]), json_values, max_size=4))
def test_any_input_gives_a_request_or_readable_problems(changes: dict[str, object]) -> None:
    try:
        request = make_request(**changes)
    except InvalidRequest as refusal:
        for problem in refusal.errors:
            assert problem.path
            assert "Input should" not in problem.message
            assert problem.message[0] in string.ascii_lowercase
    else:
        assert parse_request(to_canonical_json(request)) == request


@pytest.mark.timeout(30)  # a linear search for each name would take minutes
def test_a_duplicate_field_is_found_among_very_many() -> None:
    names = [*range(80_000), 79_999]
    with pytest.raises(ValueError, match="gives '79999' twice"):
        parse_json_strict("{" + ",".join(f'"{name}": 1' for name in names) + "}")


def test_a_request_full_of_mistakes_is_summarized() -> None:
    with pytest.raises(InvalidRequest) as refused:
        make_request(options={f"k{number}": 1 for number in range(20_000)})
    [problem] = refused.value.errors
    assert problem.path == "request"
    assert problem.message.startswith("has 20000 mistakes, too many to list")


def test_an_error_lists_a_hundred_problems_and_counts_the_rest() -> None:
    with pytest.raises(InvalidRequest) as refused:
        make_request(options={f"k{number}": 1 for number in range(1000)})
    assert len(refused.value.errors) == 1000
    assert str(refused.value).startswith("The request has 1000 problems: ")
    assert str(refused.value).count("is not a known field") == 100


def test_an_admitted_request_is_not_refused_by_lower_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its job may be paid for. Its fingerprint is that of the first admission."""
    admitted = make_request()
    monkeypatch.setenv("VIDEOJOBS_LIMIT_MAX_SEGMENTS", "1")
    with pytest.raises(InvalidRequest):
        parse_request(RAW_REQUEST)
    again = parse_admitted_request(to_canonical_json(admitted))
    assert fingerprint(again) == fingerprint(admitted)


def test_an_admitted_request_must_still_be_a_request() -> None:
    with pytest.raises(InvalidRequest, match="video"):
        parse_admitted_request({**RAW_REQUEST, "video": 5})
