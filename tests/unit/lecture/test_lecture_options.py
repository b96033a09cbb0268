"""The form of a lecture's options, and the operator's settings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from videojobs.lecture.options import LectureOptions, Mask, SlideOptions
from videojobs.lecture.settings import LectureSettings

SCHEMA = LectureOptions.model_json_schema()


def schema_models() -> Iterator[tuple[str, dict[str, Any]]]:
    yield "LectureOptions", SCHEMA
    yield from SCHEMA["$defs"].items()


FIELDS = [
    (f"{model}.{name}", field) for model, schema in schema_models() for name, field in schema["properties"].items()
]


@pytest.mark.parametrize("field", [field for _, field in FIELDS], ids=[name for name, _ in FIELDS])
def test_every_field_has_a_title_description_and_position(field: dict[str, Any]) -> None:
    referenced = SCHEMA["$defs"].get(field.get("$ref", "").removeprefix("#/$defs/"), {})
    field = {**referenced, **field}  # values equal to the referenced model's are omitted
    assert field["title"]
    assert field["description"].endswith(".")
    assert len(field["description"]) > 15
    assert isinstance(field["position"], int)


@pytest.mark.parametrize(("name", "schema"), list(schema_models()), ids=[name for name, _ in schema_models()])
def test_form_fields_are_in_source_order(name: str, schema: dict[str, Any]) -> None:
    assert [field["position"] for field in schema["properties"].values()] == list(range(len(schema["properties"])))


def test_nothing_has_to_be_filled() -> None:
    assert LectureOptions.model_validate({}) == LectureOptions()
    assert "required" not in SCHEMA


def test_the_form_knows_choices_and_bounds() -> None:
    definitions = SCHEMA["$defs"]
    assert definitions["SpeechOptions"]["properties"]["without_speech"]["enum"] == ["fail", "continue"]
    assert definitions["SpeechOptions"]["properties"]["engine"]["enum"] == ["auto", "faster-whisper", "pocketsphinx"]
    sensitivity = definitions["SlideOptions"]["properties"]["sensitivity"]
    assert (sensitivity["minimum"], sensitivity["maximum"]) == (0.05, 0.98)
    assert definitions["Mask"]["properties"]["x"]["maximum"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"speech": {"language": "English"}},
        {"speech": {"engine": "siri"}},
        {"slides": {"sensitivity": 1.5}},
        {"slides": {"masks": [{"x": 0.5, "y": 0, "w": 2, "h": 0.1}]}},
        {"pdf": {"colour": "red"}},
    ],
)
def test_an_unknown_choice_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LectureOptions.model_validate(wrong)


def test_options_go_through_json() -> None:
    options = LectureOptions(slides=SlideOptions(masks=[Mask(x=0.7, y=0.7, w=0.3, h=0.3)]))
    assert LectureOptions.model_validate_json(options.model_dump_json()) == options


def test_an_operator_names_model_and_fonts_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_LECTURE_WHISPER_MODEL", "/models/small")
    monkeypatch.setenv("VIDEOJOBS_LECTURE_FONTS", "/fonts/cjk.ttf:/fonts/arabic.ttf")
    monkeypatch.setenv("VIDEOJOBS_LECTURE_CONTAINERS", "mp4, mkv")
    settings = LectureSettings()
    assert settings.whisper_model == "/models/small"
    assert settings.fonts == (Path("/fonts/cjk.ttf"), Path("/fonts/arabic.ttf"))
    assert settings.containers == {"mp4", "mkv"}


def test_no_model_is_fetched_unless_the_operator_allows_it() -> None:
    assert LectureSettings().whisper_model is None
    assert not LectureSettings().whisper_download
