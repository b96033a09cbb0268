"""docs/configuration.md matches the settings models."""

import ast
import re
from pathlib import Path

import pytest
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from deployments.server.configuration_docs import (
    GROUPS,
    PAGE,
    field_docstrings,
    render_page,
    settings_rows,
    variable_name,
)

ROOT = Path(__file__).resolve().parents[3]
MODELS = [model for group in GROUPS for model in group.models]
PRODUCT = ("flows", "tasks", "blocks", "deployments", "videojobs")


class SampleSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="SAMPLE_")

    pause_seconds: float = Field(default=0.5, gt=0, le=10)
    """How long
    it waits."""


def settings_classes(package: str) -> list[str]:
    """Classes with fields and with an environment prefix or file of their own."""
    return [
        node.name
        for file in (ROOT / package).rglob("*.py")
        if "SettingsConfigDict(" in (source := file.read_text())
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ClassDef) and "SettingsConfigDict" in ast.unparse(node)
        if any(isinstance(item, ast.AnnAssign) for item in node.body)
    ]


def test_the_page_is_what_the_models_give() -> None:
    assert PAGE.read_text() == render_page(), "run `make config-docs` and commit docs/configuration.md"


def test_the_page_has_every_settings_model() -> None:
    found = {name for package in PRODUCT for name in settings_classes(package)}
    assert found == {model.__name__ for model in MODELS}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_setting_is_explained(model: type[BaseSettings]) -> None:
    assert model.model_fields.keys() - field_docstrings(model).keys() == set()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_a_variable_of_the_page_sets_its_field(model: type[BaseSettings], monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = {name: field.default for name, field in model.model_fields.items()}
    given = {name: value for name, value in defaults.items() if isinstance(value, str | int | float)}
    for name, value in given.items():
        monkeypatch.setenv(variable_name(model, name), str(value))
    assert model().model_fields_set >= given.keys()


def test_the_page_has_the_variables_of_the_deployments() -> None:
    variables = set(re.findall(r"\$(VIDEOJOBS_\w+)", (ROOT / "prefect.yaml").read_text()))
    assert variables
    assert [name for name in variables if f"`{name}`" not in PAGE.read_text()] == []


def test_the_page_names_variables_instead_of_fields() -> None:
    fields = {name for model in MODELS for name in model.model_fields if "_" in name}
    assert fields & set(re.findall(r"`(\w+)`", PAGE.read_text())) - {"sync_so"} == set()


def test_the_page_cites_no_document_outside_the_repository() -> None:
    assert re.findall(r"(?:Sync\.so|GhostCut) \d+\b[^)\n]{0,20}\)", PAGE.read_text()) == []


def test_a_row_has_default_unit_bounds_and_meaning() -> None:
    assert list(settings_rows(SampleSettings)) == [
        "| `SAMPLE_PAUSE_SECONDS` | `0.5` | s | > 0, ≤ 10 | How long it waits. |"
    ]
