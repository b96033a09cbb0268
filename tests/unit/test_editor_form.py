"""The old editor's form, with its real values: tiny errors are corrected and reported, others are rejected."""

import json
from typing import Any

import pytest

from deployments.api.uploads.editor_form import EditorForm, truncate_name
from tests.support.example_request import make_request
from videojobs.errors import InvalidRequest
from videojobs.requests.models import AnnotationArea

REGION_FIELDS = {"x": 0.3, "y": 0.3, "width": 0.4, "height": 0.4}


def make_area(**changes: Any) -> dict[str, Any]:
    return {"type": "erasure", "startTime": 4.1, "endTime": 8.3, "region": REGION_FIELDS} | changes


def make_region(**changes: float) -> dict[str, Any]:
    return make_area(region=REGION_FIELDS | changes)


def make_form(*areas: object, segments: object = None) -> EditorForm:
    return EditorForm.parse(json.dumps(segments), json.dumps(areas))


def parsed_areas(*areas: object) -> list[AnnotationArea]:
    """The areas after parsing by the rules."""
    return make_request(effects=make_form(*areas).effects).effects


def refused_problems(*areas: object) -> dict[str, str]:
    """The problems as the client sees them."""
    read = make_form(*areas)
    with pytest.raises(InvalidRequest) as refusal:
        make_request(effects=read.effects)
    return {read.client_path(problem.path): problem.message for problem in refusal.value.errors}


def test_an_area_with_a_region_is_the_same_as_a_flat_one() -> None:
    flat = {"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.1, "end": 8.3}
    assert parsed_areas(make_area()) == parsed_areas(flat) == make_request().effects
    assert make_form(make_area(), flat).changes == []


@pytest.mark.parametrize(
    ("sent", "box"),
    [
        (make_region(x=-0.0000119), (0, 0.3, 0.3999881, 0.4)),
        (make_region(x=0.6002167), (0.6002167, 0.3, 0.3997833, 0.4)),
        (make_region(x=0.5, width=0.5008, y=0.7, height=0.3002), (0.5, 0.7, 0.5, 0.3)),
        (make_region(y=-0.01), (0.3, 0, 0.4, 0.39)),
        (make_region(x=-0.005, width=1.01), (0, 0.3, 1, 0.4)),
        (make_region(x=0, width=1.0002), (0, 0.3, 1, 0.4)),
        ({"kind": "text", "x": -0.001, "y": 0, "w": 0.5, "h": 1.01, "start": 0, "end": 1}, (0, 0, 0.499, 1)),
    ],
)
def test_an_edge_slightly_outside_the_frame_is_clamped(sent: Any, box: tuple[float, ...]) -> None:
    [found] = parsed_areas(sent)
    assert (found.x, found.y, found.w, found.h) == pytest.approx(box)
    assert "outside the picture" in make_form(sent).changes[0]


@pytest.mark.parametrize(
    ("sent", "path", "message"),
    [
        (make_region(x=-0.011), "effects[0].region.x", "0 or more"),
        (make_region(x=0.611), "effects[0].region.width", "exceeds the picture on the right"),
        (make_region(y=0.611), "effects[0].region.height", "exceeds the picture at the bottom"),
        (make_region(x=-0.005, width=0.001), "effects[0].region.x", "0 or more"),
        (make_region(x=1.005, width=0.001), "effects[0].region.x", "1 or less"),
        (make_region(width=40), "effects[0].region.width", "not pixels or percent"),
        (make_region(colour=1), "effects[0].'region.colour'", "not a known field"),
        (make_area(x=0.2), "effects[0].'region.x'", "not a known field"),
        (make_area(region={**REGION_FIELDS, "x": "0.3"}), "effects[0].region.x", "must be a number"),
        (make_area(startTime=-1), "effects[0].startTime", "0 or more"),
        (make_area(startTime=9), "effects[0].endTime", "must be later than the start (9 s)"),
        (make_area(type="blur"), "effects[0].type", "one of 'erasure'"),
    ],
)
def test_a_larger_error_is_refused_under_the_editors_names(sent: Any, path: str, message: str) -> None:
    found = refused_problems(sent)
    assert set(found) == {path}
    assert message in found[path]


@pytest.mark.parametrize("nothing", [None, [], "here", {}])
def test_a_null_region_lacks_its_four_numbers(nothing: object) -> None:
    assert set(refused_problems(make_area(region=nothing))) == {f"effects[0].region.{name}" for name in REGION_FIELDS}


def test_a_slightly_negative_start_becomes_zero() -> None:
    assert parsed_areas(make_area(startTime=-0.257))[0].start == 0
    assert make_form(make_area(startTime=-0.257)).changes == [
        "effects[0].startTime: -0.257 s is before the video; it is set to 0 s"
    ]


def test_an_empty_area_is_dropped_and_others_keep_their_index() -> None:
    ended = make_area(startTime=12, endTime=12)
    assert parsed_areas(ended, make_area()) == parsed_areas(make_area())
    assert parsed_areas(ended) == []
    assert make_form(ended, make_area()).changes == ["effects[0]: ends where it begins; it is left out"]
    assert set(refused_problems(ended, make_region(x=2))) == {"effects[1].region.x"}


def test_ref_ids_are_in_order_of_first_use() -> None:
    later = {"startTime": 6, "endTime": 9, "audioInput": {"refId": "audio-2-b"}}
    sooner = {"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1-a"}}
    again = {"startTime": 3, "endTime": 4, "audioInput": {"refId": "audio-2-b"}}
    read = make_form(segments=[later, again, sooner])
    assert (read.ref_ids, read.all_segments_named) == (["audio-2-b", "audio-1-a"], True)


def test_a_crop_with_only_one_end_is_reported() -> None:
    inputs = [{"refId": "a", "endTime": 3.19}, {"refId": "a", "startTime": 1, "endTime": None}, {"refId": "a"}]
    read = make_form(segments=[{"startTime": 0, "endTime": 2, "audioInput": item} for item in inputs])
    assert read.changes == [
        "segments_data[0].audioInput: only one end is given; it is used from the start of the audio",
        "segments_data[1].audioInput: only one end is given; it is used to the end of the audio",
    ]


@pytest.mark.parametrize("text", [None, "", "[{", "7", '["a"]', "[null]", '[{"audioInput": 1}]', "{}", '"[]"'])
def test_unreadable_text_is_left_to_validation(text: str | None) -> None:
    read = EditorForm.parse(text, text)
    assert read.ref_ids == read.changes == []
    assert not read.all_segments_named
    assert read.client_path("effects") == "effects"


def test_an_oversized_area_list_is_not_scanned() -> None:
    effects = json.dumps([{"region": {}}] * 100_000)
    form = EditorForm.parse(None, effects)
    assert (form.effects, form.areas) == (effects, [])


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (None, None),
        ("Pro Video - a.mp4", "Pro Video - a.mp4"),
        ("a\tb\r\nSet-Cookie: x=y", "a b  Set-Cookie: x=y"),
        ("x" * 266, "x" * 200),
    ],
)
def test_a_job_name_from_any_file_name_is_valid(sent: str | None, name: str | None) -> None:
    assert truncate_name(sent) == name
