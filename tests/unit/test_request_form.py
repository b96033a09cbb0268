"""The Prefect UI builds the parameter form from the JSON schema, for people who do not know the code."""

from collections.abc import Iterator
from typing import Any

import pytest

from videojobs.lecture.request import LectureRequest
from videojobs.requests.models import JobRequest

SCHEMA = JobRequest.model_json_schema()
LECTURE = LectureRequest.model_json_schema()
DEFINITIONS = SCHEMA["$defs"] | LECTURE["$defs"]


def schema_models() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "JobRequest", SCHEMA
    yield "LectureRequest", LECTURE
    yield from DEFINITIONS.items()


FIELDS = [
    (f"{model}.{name}", field) for model, schema in schema_models() for name, field in schema["properties"].items()
]


@pytest.mark.parametrize("field", [field for _, field in FIELDS], ids=[name for name, _ in FIELDS])
def test_every_field_has_a_title_description_and_position(field: dict[str, Any]) -> None:
    referenced = DEFINITIONS.get(field.get("$ref", "").removeprefix("#/$defs/"), {})
    field = {**referenced, **field}  # values equal to the referenced model's are omitted
    assert field["title"]
    assert field["description"].endswith(".")
    assert len(field["description"]) > 20
    assert isinstance(field["position"], int)


@pytest.mark.parametrize(("name", "schema"), list(schema_models()), ids=[name for name, _ in schema_models()])
def test_form_fields_are_in_source_order(name: str, schema: dict[str, Any]) -> None:
    assert [field["position"] for field in schema["properties"].values()] == list(range(len(schema["properties"])))


def test_the_form_uses_the_public_names() -> None:
    definitions = SCHEMA["$defs"]
    assert list(SCHEMA["properties"]) == [
        "video", "audio", "segments", "effects", "text_removal", "display_name", "user_id", "options", "callback_url",
    ]  # fmt: skip
    assert list(definitions["Segment"]["properties"]) == ["startTime", "endTime", "audioInput", "label", "speakerBox"]
    assert list(definitions["AudioInput"]["properties"]) == ["refId", "startTime", "endTime"]
    assert list(definitions["AnnotationArea"]["properties"]) == ["kind", "x", "y", "w", "h", "start", "end", "label"]


def test_choices_are_drop_downs_and_optional_fields_are_switches() -> None:
    definitions = SCHEMA["$defs"]
    assert definitions["AnnotationArea"]["properties"]["kind"]["enum"] == ["erasure", "protection", "text"]
    assert definitions["Options"]["properties"]["sync_mode"]["default"] == "remap"
    assert {"type": "null"} in definitions["AudioInput"]["properties"]["startTime"]["anyOf"]


def test_the_form_knows_the_bounds_of_numbers() -> None:
    area = SCHEMA["$defs"]["AnnotationArea"]["properties"]
    assert (area["x"]["minimum"], area["x"]["maximum"], area["start"]["minimum"]) == (0, 1, 0)


def test_only_what_has_no_sensible_default_must_be_filled() -> None:
    assert SCHEMA["required"] == ["video", "user_id"]
    assert "required" not in SCHEMA["$defs"]["Options"]
