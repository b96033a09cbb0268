"""The bytes sent to GhostCut, and the vendor's rules for them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from videojobs.errors import InvalidRequest
from videojobs.pipeline.masks import MaskSpec
from videojobs.providers.ghostcut.schemas import build_work_body
from videojobs.requests.models import InpaintModel

URL = "https://media.test/pro_sync_result.mp4?X-Amz-Signature=abc"
AREA = MaskSpec("erasure", x=0.3, y=0.3, w=0.4, h=0.4, start=4.1, end=8.3)
TEXT = replace(AREA, kind="text", w=0.2, h=0.2)
DEFAULT_ARGUMENTS: dict[str, Any] = {"url": URL, "name": "job-1", "masks": [AREA]}
NAN, INF = float("nan"), float("inf")


def sent_request(**changes: Any) -> dict[str, Any]:
    body = json.loads(build_work_body(**DEFAULT_ARGUMENTS | changes))
    assert isinstance(body, dict)
    return body


def sent_mask(mask: MaskSpec) -> dict[str, Any]:
    (found,) = json.loads(sent_request(masks=[mask])["videoInpaintMasks"])
    assert isinstance(found, dict)
    return found


def test_the_request_sends_masks_as_a_string() -> None:
    body = sent_request()
    masks = body.pop("videoInpaintMasks")
    assert body == {
        "urls": [URL],
        "names": ["job-1"],
        "needChineseOcclude": 2,
        "videoInpaintLang": "all",
        "resolution": "1080p",
    }
    assert masks == '[{"type":"remove","start":4.1,"end":8.3,"region":[[0.3,0.3],[0.7,0.3],[0.7,0.7],[0.3,0.7]]}]'


def test_equal_requests_have_equal_compact_ascii_bytes() -> None:
    body = build_work_body(**DEFAULT_ARGUMENTS | {"name": "作业"})
    assert body == build_work_body(**DEFAULT_ARGUMENTS | {"name": "作业"})
    assert body.startswith(b'{"urls":["https://media.test/pro_sync_result.mp4?X-Amz-Signature=abc"],"names":["\\u4f5c')


@pytest.mark.parametrize(
    ("kind", "type_"), [("erasure", "remove"), ("protection", "keep"), ("text", "remove_only_ocr")]
)
def test_each_kind_of_area_has_its_mask_type(kind: Any, type_: str) -> None:
    assert sent_mask(replace(AREA, kind=kind))["type"] == type_


def test_all_areas_are_sent_in_order() -> None:
    masks = [AREA, replace(AREA, start=1), replace(AREA, kind="protection")]
    types = [(mask["type"], mask["start"]) for mask in json.loads(sent_request(masks=masks)["videoInpaintMasks"])]
    assert types == [("remove", 4.1), ("remove", 1), ("keep", 4.1)]


@pytest.mark.parametrize(
    ("rectangle", "corners"),
    [
        ((0, 0, 1, 1), (0, 0, 1, 1)),
        ((-0.5, -0.5, 1, 1), (0, 0, 0.5, 0.5)),
        ((0.9, 0.8, 0.5, 0.5), (0.9, 0.8, 1, 1)),
        ((1 / 3, 1 / 3, 1 / 3, 1 / 3), (0.3333, 0.3333, 0.6667, 0.6667)),
    ],
)
def test_a_region_is_clamped_to_the_picture_and_rounded(rectangle: Any, corners: Any) -> None:
    x, y, w, h = rectangle
    x0, y0, x1, y1 = corners
    assert sent_mask(replace(AREA, x=x, y=y, w=w, h=h))["region"] == [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


@pytest.mark.parametrize(
    ("times", "sent_times"),
    [
        ((4.1, 8.3), (4.1, 8.3)),
        ((4.1009, 8.3001), (4.1, 8.301)),
        ((0.0004, 0.0006), (0, 0.001)),
        ((-2.0, 3.0), (0, 3)),
        ((0, 99999), (0, 99999)),
    ],
)
def test_a_time_range_is_rounded_outwards_to_milliseconds(times: Any, sent_times: Any) -> None:
    mask = sent_mask(replace(AREA, start=times[0], end=times[1]))
    assert (mask["start"], mask["end"]) == sent_times


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"w": 0.0}, "rectangle is outside"),
        ({"h": -0.1}, "rectangle is outside"),
        ({"w": 0.00001}, "rectangle is outside"),
        ({"x": 1.0}, "rectangle is outside"),
        ({"y": -0.5}, "rectangle is outside"),
        ({"start": 8.3}, "time range 8.3 to 8.3 s is empty"),
        ({"start": 9.0}, "is empty"),
        ({"start": -2.0, "end": 0.0}, "is empty"),
        ({"x": NAN}, "finite"),
        ({"h": INF}, "finite"),
        ({"end": INF}, "finite"),
    ],
)
def test_an_empty_area_is_refused(change: dict[str, float], complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"masks\[1\]: .*{complaint}"):
        build_work_body(**DEFAULT_ARGUMENTS | {"masks": [AREA, replace(AREA, **change)]})  # type: ignore[arg-type]  # numbers only


def test_a_work_without_areas_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="masks: give at least one area"):
        build_work_body(**DEFAULT_ARGUMENTS | {"masks": []})


@pytest.mark.parametrize("model", ["advanced_lite", "advanced", "advanced_large_box"])
def test_a_finer_model_is_named_in_the_extra_options_string(model: InpaintModel) -> None:
    extra = sent_request(model=model, masks=[TEXT])["extraOptions"]
    assert extra == '{"extra_inpaint_config":{"model":"' + model + '"}}'


def test_the_quality_is_sent_when_given() -> None:
    assert sent_request(crf=10)["extraOptions"] == '{"write_options":{"crf":10}}'
    both = sent_request(crf=30, model="advanced", masks=[TEXT])["extraOptions"]
    assert json.loads(both) == {"extra_inpaint_config": {"model": "advanced"}, "write_options": {"crf": 30}}


def test_callback_language_and_resolution_are_sent_when_given() -> None:
    body = sent_request(callback="https://hook.test/ghostcut/1", language="zh", resolution="720p")
    assert body["callback"] == "https://hook.test/ghostcut/1"
    assert (body["videoInpaintLang"], body["resolution"]) == ("zh", "720p")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model": "advanced_lite", "masks": [AREA]}, r"masks\[0\].kind: must be text"),
        ({"model": "advanced", "masks": [replace(TEXT, kind="protection")]}, "must be text with the model advanced"),
        ({"model": "advanced_lite", "masks": [TEXT] * 11}, "has 11 areas; the model advanced_lite supports at most 10"),
        ({"model": "advanced", "masks": [TEXT] * 2}, "has 2 areas; the model .* supports at most 1 area"),
        ({"model": "advanced_large_box", "masks": [TEXT] * 2}, "has 2 areas; the model .* supports at most 1 area"),
        (
            {"model": "advanced", "masks": [replace(TEXT, w=0.5, h=0.4)]},
            "covers 20.0% of the picture; .* less than 20%",
        ),
        (
            {"model": "advanced_large_box", "masks": [replace(TEXT, w=0.7, h=0.6)]},
            "covers 42.0% of the picture; .* less than 40%",
        ),
        ({"model": "advanced", "masks": [TEXT], "language": "en"}, "language: must be all with the model advanced"),
        ({"crf": 9}, "crf: must be from 10 to 30"),
        ({"crf": 31}, "crf: must be from 10 to 30"),
        ({"url": "https://media.test/视频.mp4"}, "url: must be a public"),
        ({"url": "s3://bucket/key"}, "url: must be a public"),
    ],
)
def test_an_invalid_request_is_not_sent(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        build_work_body(**DEFAULT_ARGUMENTS | changes)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        build_work_body(url="nowhere", name="job-1", masks=[AREA, TEXT], model="advanced", language="ja", crf=99)
    assert [problem.path for problem in caught.value.errors] == ["language", "masks", "masks[0].kind", "url", "crf"]


def test_lite_takes_ten_boxes_and_basic_any_number() -> None:
    assert len(json.loads(sent_request(model="advanced_lite", masks=[TEXT] * 10)["videoInpaintMasks"])) == 10
    assert len(json.loads(sent_request(masks=[AREA] * 50)["videoInpaintMasks"])) == 50


# ---- the whole frame -----------------------------------------------------------------------------------------


def test_the_whole_frame_is_mode_1_without_masks() -> None:
    body = sent_request(whole_frame=True, masks=[])
    assert (body["needChineseOcclude"], body["videoInpaintLang"]) == (1, "all")
    assert "videoInpaintMasks" not in body


def test_protected_areas_go_with_the_whole_frame_as_keep_masks() -> None:
    body = sent_request(whole_frame=True, masks=[replace(AREA, kind="protection")])
    assert (body["needChineseOcclude"], json.loads(body["videoInpaintMasks"])[0]["type"]) == (1, "keep")


@pytest.mark.parametrize("changes", [{"masks": [AREA]}, {"masks": [], "model": "advanced"}])
def test_the_whole_frame_takes_protection_and_one_model_only(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="whole frame"):
        sent_request(whole_frame=True, **changes)
