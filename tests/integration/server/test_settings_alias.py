"""Renamed environment variables still work under their old names."""

import pytest

from deployments.server.alert_automations import AlertSettings
from deployments.server.recovery_automations import LivenessSettings
from deployments.worker.settings import WorkerSettings
from videojobs.lecture.settings import LectureSettings
from videojobs.settings import TimingSettings
from videojobs.settings_alias import AliasedSettings

ALIASES = [
    (settings, old, field)
    for settings in (AlertSettings, LectureSettings, LivenessSettings, TimingSettings, WorkerSettings)
    for old, field in settings.old_names.items()
]


@pytest.mark.parametrize(("settings", "old", "field"), ALIASES, ids=[old for _, old, _ in ALIASES])
def test_an_old_variable_name_still_works(
    settings: type[AliasedSettings], old: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = getattr(settings(), field)
    monkeypatch.setenv(old, str(default - 1))
    assert getattr(settings(), field) == default - 1
    monkeypatch.setenv(f"{settings.model_config['env_prefix']}{field}".upper(), str(default - 2))
    assert getattr(settings(), field) == default - 2  # the new name wins


def test_an_empty_old_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_WORKER_STARTS_AT_ONCE", "")
    assert WorkerSettings().max_concurrent_starts == 16


def test_settings_without_old_names_read_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_WORKER_THREADS", "5")
    assert WorkerSettings().threads == 5
