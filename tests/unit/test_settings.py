"""Limits, timings and access from the environment."""

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from videojobs import settings as settings_module
from videojobs.providers.ghostcut.settings import GhostCutPolling
from videojobs.providers.sync_so.settings import SyncSoPolling
from videojobs.settings import AccessSettings, LimitSettings, TimingSettings


def test_the_defaults_match_the_creator_plan_and_vendor_limits() -> None:
    limits = LimitSettings()
    assert (limits.max_video_seconds, limits.max_video_bytes) == (300, 5 * 1024**3)
    assert (limits.inpaint_max_seconds, limits.inpaint_max_bytes) == (899, 1_000_000_000)


def test_nothing_but_s3_and_https_is_allowed_by_default() -> None:
    assert (AccessSettings().allow_local_files, AccessSettings().allow_plain_http) == (False, False)


def test_the_environment_changes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_LIMIT_MAX_VIDEO_SECONDS", "600")
    monkeypatch.setenv("VIDEOJOBS_GHOSTCUT_POLL_FIRST_SECONDS", "0.2")
    monkeypatch.setenv("VIDEOJOBS_ALLOW_PLAIN_HTTP", "1")
    assert LimitSettings().max_video_seconds == 600
    assert GhostCutPolling().ghostcut_poll_first_seconds == 0.2
    assert AccessSettings().allow_plain_http


def test_containers_are_separated_by_commas_in_any_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_LIMIT_VIDEO_CONTAINERS", " MP4, mov,")
    assert LimitSettings().video_containers == {"mp4", "mov"}


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_ALLOW_LOCAL_FILES", "")
    monkeypatch.setenv("VIDEOJOBS_LEASE_SECONDS", "")
    assert (AccessSettings().allow_local_files, TimingSettings().lease_seconds) == (False, 60)


def test_a_process_reads_its_settings_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_module, "_current", {})
    first = TimingSettings.current()
    monkeypatch.setenv("VIDEOJOBS_LEASE_SECONDS", "1")
    assert TimingSettings.current() is first
    assert AccessSettings.current() == AccessSettings()


@pytest.mark.parametrize(
    ("settings", "variable", "value"),
    [
        (LimitSettings, "VIDEOJOBS_LIMIT_MAX_VIDEO_SECONDS", "0"),
        (LimitSettings, "VIDEOJOBS_LIMIT_MAX_SEGMENTS", "-1"),
        (LimitSettings, "VIDEOJOBS_LIMIT_MIN_SEGMENT_SECONDS", "nan"),
        (LimitSettings, "VIDEOJOBS_LIMIT_END_MARGIN_SECONDS", "-0.01"),
        (LimitSettings, "VIDEOJOBS_LIMIT_SEGMENT_GAP_SECONDS", "1.5"),
        (LimitSettings, "VIDEOJOBS_LIMIT_AUDIO_CONTAINERS", ","),
        (SyncSoPolling, "VIDEOJOBS_SYNC_LONG_POLL_SECONDS", "11"),
        (TimingSettings, "VIDEOJOBS_POLL_ATTEMPT_SECONDS", "inf"),
        (TimingSettings, "VIDEOJOBS_INPUT_URL_TTL_HOURS", "169"),
        (TimingSettings, "VIDEOJOBS_RESULT_URL_TTL_DAYS", "8"),
        (TimingSettings, "VIDEOJOBS_RETRY_DELAY_SECONDS", "-1"),
        (AccessSettings, "VIDEOJOBS_ALLOW_LOCAL_FILES", "perhaps"),
    ],
)
def test_a_setting_out_of_bounds_is_refused(
    settings: type[BaseSettings], variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match=variable.rsplit("_", maxsplit=1)[-1].lower()):
        settings()
