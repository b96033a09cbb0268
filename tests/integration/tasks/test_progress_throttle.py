"""A waiting job reports its vendor's progress at intervals, not after each status."""

import asyncio

import pytest

from tasks.runtime.polling import ProgressThrottle


@pytest.mark.parametrize(("passed", "due"), [(0.0, False), (29.9, False), (30.0, True), (3600.0, True)])
async def test_the_first_report_is_due_then_one_every_half_minute(
    monkeypatch: pytest.MonkeyPatch, passed: float, due: bool
) -> None:
    now = 5.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    reports = ProgressThrottle()
    assert reports.should_report()
    now += passed
    assert reports.should_report() is due
    assert not reports.should_report()


@pytest.mark.parametrize(
    ("passed", "progress", "due"), [(29.9, 2, False), (30.0, 2, True), (599.9, 1, False), (600.0, 1, True)]
)
async def test_unchanged_progress_is_reported_every_ten_minutes(
    monkeypatch: pytest.MonkeyPatch, passed: float, progress: int, due: bool
) -> None:
    now = 5.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    reports = ProgressThrottle()
    assert reports.should_report(1)
    now += passed
    assert reports.should_report(progress) is due
