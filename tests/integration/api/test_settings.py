"""The API's settings, and the names they had before."""

import pytest

from deployments.api.settings import ApiSettings

OLD_NAMES = list(ApiSettings.old_names.items())


@pytest.mark.parametrize(("old", "field"), OLD_NAMES)
def test_an_old_variable_still_works(monkeypatch: pytest.MonkeyPatch, old: str, field: str) -> None:
    texts = {"host": "api.internal", "cors_origins": "https://a.example, https://b.example", "log_format": "json"}
    monkeypatch.setenv(old, texts.get(field, "2048" if "_bytes" in field else "17"))
    changed = ApiSettings().model_dump(exclude_defaults=True)
    assert list(changed) == [field]


def test_every_field_has_its_old_variable() -> None:
    assert {field for _, field in OLD_NAMES} == set(ApiSettings.model_fields)
    assert ApiSettings.old_names["VIDEOJOBS_GATEWAY_LOOK_SECONDS"] == "job_poll_interval_seconds"
    assert ApiSettings.old_names["VIDEOJOBS_API_DIRECT_UPLOAD_HOURS"] == "direct_upload_url_ttl_hours"


def test_a_new_variable_wins_over_its_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_GATEWAY_PORT", "1111")
    monkeypatch.setenv("VIDEOJOBS_API_PORT", "2222")
    assert ApiSettings().port == 2222
