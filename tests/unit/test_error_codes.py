"""The error codes that programs can rely on."""

import re
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.support.example_request import RAW_REQUEST, make_request
from videojobs import errors
from videojobs.errors import InvalidRequest, ProblemCode

API_PAGE = Path(__file__).resolve().parents[2] / "docs/api.md"

CLASSES = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, errors.VideoJobError)]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = Counter(vars(cls).get("code") for cls in CLASSES)
    assert [code for code, count in codes.items() if count > 1 or code is None] == []


def test_codes_are_snake_case() -> None:
    own = [value for name, value in vars(errors).items() if name.endswith("_CODE")]
    assert [
        code for code in [*own, *(cls.code for cls in CLASSES)] if not re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    ] == []


def test_the_api_page_lists_every_problem_code() -> None:
    table = API_PAGE.read_text().partition("| `code` of a problem |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines()[2:]]
    listed = Counter(code for cell in cells for code in re.findall(r"`(\w+)`", cell))
    assert listed == Counter(code.value for code in ProblemCode)


BOX = {"x1": 0.1, "y1": 0.2, "x2": 0.4, "y2": 0.6}


def _changed(path: str, value: object) -> dict[str, Any]:
    """The example request with one value changed; `path` is that of the field, with dots."""
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    request: Any = deepcopy(RAW_REQUEST)
    part = request
    for step in steps:
        part = part[step]
    part[last] = value
    return dict(request)


@pytest.mark.parametrize(
    ("path", "value", "field", "code"),
    [
        ("segments", "", "segments", "required"),
        ("segments.0", {}, "segments[0].startTime", "required"),
        ("video", "", "video", "required"),
        ("colour", "red", "colour", "unknown_field"),
        ("audio.1.refId", "audio-1", "audio[1].refId", "duplicate"),
        ("segments.0.startTime", "1", "segments[0].startTime", "wrong_type"),
        ("effects", {}, "effects", "wrong_type"),
        ("effects", "[{", "effects", "invalid_json"),
        ("audio.0.refId", "a b", "audio[0].refId", "invalid_format"),
        ("options", {"model": "lipsync-99"}, "options.model", "invalid_choice"),
        ("video", "ftp://example.com/v.mp4", "video", "invalid_source"),
        ("effects.0.x", 1.5, "effects[0].x", "out_of_range"),
        ("display_name", "x" * 201, "display_name", "too_long"),
        ("segments.0.endTime", 0.01, "segments[0].endTime", "too_short"),
        ("effects", [{}] * 1001, "effects", "too_many"),
        ("segments.0.endTime", 0, "segments[0].endTime", "end_before_start"),
        ("segments.0.endTime", 3, "segments[1].startTime", "overlap"),
        ("effects.0.w", 0.9, "effects[0].w", "outside_picture"),
        ("segments.0.audioInput.refId", "other", "segments[0].audioInput.refId", "unknown_ref_id"),
        ("segments.0.audioInput.refId", "other", "audio[0].refId", "unused_ref_id"),
        ("options", {"inpaint_model": "advanced"}, "effects[0].kind", "unsupported_by_model"),
        ("segments.0.speakerBox", "left", "segments[0].speakerBox", "wrong_type"),
        ("segments.0.speakerBox", {"x1": 0, "y1": 0, "x2": 1}, "segments[0].speakerBox.y2", "required"),
        ("segments.0.speakerBox", {**BOX, "x2": 640}, "segments[0].speakerBox.x2", "out_of_range"),
        ("segments.0.speakerBox", {**BOX, "x2": 0.1}, "segments[0].speakerBox.x2", "out_of_range"),
        ("segments.0.speakerBox", {**BOX, "y2": 0.1}, "segments[0].speakerBox.y2", "out_of_range"),
        ("segments.0.speakerBox", {**BOX, "method": "auto"}, "segments[0].speakerBox.method", "invalid_choice"),
        ("segments.0.speakerBox", {**BOX, "w": 1}, "segments[0].speakerBox.w", "unknown_field"),
    ],
)
def test_a_problem_of_a_request_has_its_code(path: str, value: object, field: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make_request(**_changed(path, value))
    assert (field, code) in [(item.path, item.code) for item in caught.value.errors]
