"""Limits, timings and access from the environment."""

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from videojobs.settings import Access, Limits, Timings


def test_the_defaults_are_the_creator_plan_and_the_vendors_ceilings() -> None:
    limits = Limits()
    assert (limits.max_video_seconds, limits.max_video_bytes) == (300, 5 * 1024**3)
    assert (limits.inpaint_max_seconds, limits.inpaint_max_bytes) == (899, 1_000_000_000)


def test_nothing_but_s3_and_https_is_allowed_by_default() -> None:
    assert (Access().allow_local_files, Access().allow_plain_http) == (False, False)


def test_the_environment_changes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_LIMIT_MAX_VIDEO_SECONDS", "600")
    monkeypatch.setenv("VIDEOJOBS_GHOSTCUT_POLL_FIRST_SECONDS", "0.2")
    monkeypatch.setenv("VIDEOJOBS_ALLOW_PLAIN_HTTP", "1")
    assert Limits().max_video_seconds == 600
    assert Timings().ghostcut_poll_first_seconds == 0.2
    assert Access().allow_plain_http


def test_containers_are_separated_by_commas_in_any_spelling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_LIMIT_VIDEO_CONTAINERS", " MP4, mov,")
    assert Limits().video_containers == {"mp4", "mov"}


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_ALLOW_LOCAL_FILES", "")
    monkeypatch.setenv("VIDEOJOBS_LEASE_SECONDS", "")
    assert (Access().allow_local_files, Timings().lease_seconds) == (False, 60)


@pytest.mark.parametrize(
    ("settings", "variable", "value"),
    [
        (Limits, "VIDEOJOBS_LIMIT_MAX_VIDEO_SECONDS", "0"),
        (Limits, "VIDEOJOBS_LIMIT_MAX_SEGMENTS", "-1"),
        (Limits, "VIDEOJOBS_LIMIT_MIN_SEGMENT_SECONDS", "nan"),
        (Limits, "VIDEOJOBS_LIMIT_END_MARGIN_SECONDS", "-0.01"),
        (Limits, "VIDEOJOBS_LIMIT_SEGMENT_GAP_SECONDS", "1.5"),
        (Limits, "VIDEOJOBS_LIMIT_AUDIO_CONTAINERS", ","),
        (Timings, "VIDEOJOBS_SYNC_LONG_POLL_SECONDS", "11"),
        (Timings, "VIDEOJOBS_POLL_ATTEMPT_SECONDS", "inf"),
        (Timings, "VIDEOJOBS_MEDIA_LINK_HOURS", "169"),
        (Timings, "VIDEOJOBS_RESULT_LINK_DAYS", "8"),
        (Timings, "VIDEOJOBS_RETRY_DELAY_SECONDS", "-1"),
        (Access, "VIDEOJOBS_ALLOW_LOCAL_FILES", "perhaps"),
    ],
)
def test_a_setting_out_of_bounds_is_refused(
    settings: type[BaseSettings], variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError, match=variable.rsplit("_", maxsplit=1)[-1].lower()):
        settings()
