"""What the old editor's form holds, values as the real editor sends them: mended by a hair, told, and else refused."""

import json
from typing import Any

import pytest

from deployments.gateway.editor_form import EditorForm, shortened_name
from tests.unit.good_request import parsed
from videojobs.errors import InvalidRequest
from videojobs.request import AnnotationArea

REGION = {"x": 0.3, "y": 0.3, "width": 0.4, "height": 0.4}


def area(**changes: Any) -> dict[str, Any]:
    return {"type": "erasure", "startTime": 4.1, "endTime": 8.3, "region": REGION} | changes


def region(**changes: float) -> dict[str, Any]:
    return area(region=REGION | changes)


def form(*areas: object, segments: object = None) -> EditorForm:
    return EditorForm.of(json.dumps(segments), json.dumps(areas))


def taken(*areas: object) -> list[AnnotationArea]:
    """As the rules take them."""
    return parsed(effects=form(*areas).effects).effects


def refused(*areas: object) -> dict[str, str]:
    """The problems, as the client is told them."""
    read = form(*areas)
    with pytest.raises(InvalidRequest) as refusal:
        parsed(effects=read.effects)
    return {read.as_sent(problem.path): problem.message for problem in refusal.value.problems}


def test_an_area_with_a_region_is_the_same_as_a_flat_one() -> None:
    flat = {"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.1, "end": 8.3}
    assert taken(area()) == taken(flat) == parsed().effects
    assert form(area(), flat).changes == []


@pytest.mark.parametrize(
    ("sent", "box"),
    [
        (region(x=-0.0000119), (0, 0.3, 0.3999881, 0.4)),
        (region(x=0.6002167), (0.6002167, 0.3, 0.3997833, 0.4)),
        (region(x=0.5, width=0.5008, y=0.7, height=0.3002), (0.5, 0.7, 0.5, 0.3)),
        (region(y=-0.01), (0.3, 0, 0.4, 0.39)),
        (region(x=-0.005, width=1.01), (0, 0.3, 1, 0.4)),
        (region(x=0, width=1.0002), (0, 0.3, 1, 0.4)),
        ({"kind": "text", "x": -0.001, "y": 0, "w": 0.5, "h": 1.01, "start": 0, "end": 1}, (0, 0, 0.499, 1)),
    ],
)
def test_an_edge_a_little_outside_is_cut_at_the_pictures_edge(sent: Any, box: tuple[float, ...]) -> None:
    [found] = taken(sent)
    assert (found.x, found.y, found.w, found.h) == pytest.approx(box)
    assert "outside the picture" in form(sent).changes[0]


@pytest.mark.parametrize(
    ("sent", "path", "says"),
    [
        (region(x=-0.011), "effects[0].region.x", "0 or more"),
        (region(x=0.611), "effects[0].region.width", "sticks out on the right"),
        (region(y=0.611), "effects[0].region.height", "sticks out at the bottom"),
        (region(x=-0.005, width=0.001), "effects[0].region.x", "0 or more"),
        (region(x=1.005, width=0.001), "effects[0].region.x", "1 or less"),
        (region(width=40), "effects[0].region.width", "not pixels or percent"),
        (region(colour=1), "effects[0].'region.colour'", "not a known field"),
        (area(x=0.2), "effects[0].'region.x'", "not a known field"),
        (area(region={**REGION, "x": "0.3"}), "effects[0].region.x", "must be a number"),
        (area(startTime=-1), "effects[0].startTime", "0 or more"),
        (area(startTime=9), "effects[0].endTime", "must be later than the start (9 s)"),
        (area(type="blur"), "effects[0].type", "one of 'erasure'"),
    ],
)
def test_what_is_further_off_is_refused_under_the_editors_own_names(sent: Any, path: str, says: str) -> None:
    found = refused(sent)
    assert set(found) == {path}
    assert says in found[path]


@pytest.mark.parametrize("nothing", [None, [], "here", {}])
def test_a_region_that_is_none_misses_its_four_numbers(nothing: object) -> None:
    assert set(refused(area(region=nothing))) == {f"effects[0].region.{name}" for name in REGION}


def test_an_area_that_begins_just_before_the_video_begins_with_it() -> None:
    assert taken(area(startTime=-0.257))[0].start == 0
    assert form(area(startTime=-0.257)).changes == ["effects[0].startTime: -0.257 s is before the video, taken as 0 s"]


def test_an_area_without_length_is_left_out_and_the_others_keep_their_numbers() -> None:
    ended = area(startTime=12, endTime=12)
    assert taken(ended, area()) == taken(area())
    assert taken(ended) == []
    assert form(ended, area()).changes == ["effects[0]: ends where it begins, left out"]
    assert set(refused(ended, region(x=2))) == {"effects[1].region.x"}


def test_refids_are_in_the_order_in_which_the_list_names_them_first() -> None:
    later = {"startTime": 6, "endTime": 9, "audioInput": {"refId": "audio-2-b"}}
    sooner = {"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1-a"}}
    again = {"startTime": 3, "endTime": 4, "audioInput": {"refId": "audio-2-b"}}
    read = form(segments=[later, again, sooner])
    assert (read.ref_ids, read.all_named) == (["audio-2-b", "audio-1-a"], True)


def test_a_crop_with_one_end_is_told() -> None:
    inputs = [{"refId": "a", "endTime": 3.19}, {"refId": "a", "startTime": 1, "endTime": None}, {"refId": "a"}]
    read = form(segments=[{"startTime": 0, "endTime": 2, "audioInput": item} for item in inputs])
    assert read.changes == [
        "segments_data[0].audioInput: only one end is given, taken from the audio's beginning",
        "segments_data[1].audioInput: only one end is given, taken to the audio's end",
    ]


@pytest.mark.parametrize("text", [None, "", "[{", "7", '["a"]', "[null]", '[{"audioInput": 1}]', "{}", '"[]"'])
def test_what_cannot_be_read_is_left_to_the_rules(text: str | None) -> None:
    read = EditorForm.of(text, text)
    assert read.ref_ids == read.changes == []
    assert not read.all_named
    assert read.as_sent("effects") == "effects"


def test_a_list_of_more_areas_than_a_job_may_have_is_not_looked_through() -> None:
    effects = json.dumps([{"region": {}}] * 100_000)
    form = EditorForm.of(None, effects)
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
def test_a_job_named_after_any_file_has_a_name_that_is_taken(sent: str | None, name: str | None) -> None:
    assert shortened_name(sent) == name
