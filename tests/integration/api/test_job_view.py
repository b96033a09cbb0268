"""The event log of a job, in plain language."""

from datetime import UTC, datetime
from typing import Any

import pytest

from deployments.api.views.event_texts import event_message
from deployments.api.views.job_view import event_log, stage_costs, to_summary
from deployments.api.views.lecture_view import to_lecture_status
from tests.support.measured_facts import video_facts
from videojobs.db import JobEvent, JobEventKind, VideoJob
from videojobs.pipeline.facts import JobFacts
from videojobs.states import JobKind, RecoveryPoint, Stage, Status


def make_row(**columns: Any) -> VideoJob:
    now = datetime.now(UTC)
    row = {"id": "job-1", "kind": JobKind.PRO_VIDEO, "user_id": "ada", "status": Status.FAILED, "request": {}}
    times = {"created_at": now, "updated_at": now, "progress_percentage": 10, "progress_message": "Failed"}
    return VideoJob(**{**row, **times, "recovery_point": RecoveryPoint.UPLOADED, "facts_json": {}, **columns})


def moved_end_event(*changes: str) -> str:
    event = JobEvent(
        at=datetime.now(UTC),
        kind=JobEventKind.SHORTENED,
        point=RecoveryPoint.UPLOADED,
        progress=10,
        message="Lip-sync processing...",
        detail={"changes": list(changes), "provider": "sync_so"},
    )
    [happening] = event_log([event])
    return happening.message


def test_moved_segment_ends_are_reported_to_the_user() -> None:
    assert moved_end_event("the segment from 0 s to 2 s ends at 1.98 s, since the next one begins at 2 s") == (
        "Some ends were moved forward for Sync.so: "
        "the segment from 0 s to 2 s ends at 1.98 s, since the next one begins at 2 s."
    )


def test_an_event_without_a_provider_names_no_vendor() -> None:
    """Another vendor may serve the stage today."""
    event = JobEvent(kind=JobEventKind.ACCEPTED, point=RecoveryPoint.UPLOADED, detail={"stage": Stage.LIP_SYNC})
    assert event_message(event) == "The vendor has accepted the job."


@pytest.mark.parametrize("stored", [{"path": "a"}, ["a"], [{"path": "a"}], [{"path": "a", "message": None}], None])
def test_unreadable_problems_of_a_row_are_left_out(stored: Any) -> None:
    assert to_summary(make_row(error_problems=stored)).problems == []


@pytest.mark.parametrize("stored", [{"video": {"duration": 5}}, {"audio": None}, {"speech": {"outcome": "heard"}}])
def test_a_row_with_unreadable_facts_is_shown_without_them(stored: Any) -> None:
    job = make_row(facts_json=stored)
    assert to_summary(job).downloads == []
    assert to_lecture_status(job).slides is None


def test_an_unreadable_estimate_shows_no_costs() -> None:
    video = {"video": JobFacts(video=video_facts()).to_json()["video"]}
    assert stage_costs(make_row(facts_json=video, estimate={"x": 1}), []) == []


def test_many_moved_ends_are_partly_listed_and_counted() -> None:
    assert moved_end_event(*"abcd").endswith(": a; b; c; d.")
    assert moved_end_event(*"abcdef").endswith(": a; b; c; d; and 2 more like these.")


@pytest.mark.parametrize("kind", JobEventKind)
def test_every_kind_of_event_has_a_text_for_users(kind: JobEventKind) -> None:
    detail: dict[str, object] = {"stage": Stage.LIP_SYNC, "provider": "sync_so"}
    if kind is JobEventKind.SHORTENED:
        detail["changes"] = ["a"]
    event = JobEvent(kind=kind, point=RecoveryPoint.OPENED, message="Uploading files...", detail=detail)
    shows_the_progress_message = kind in (JobEventKind.PROGRESS, JobEventKind.ADVANCED)
    assert (event_message(event) == event.message) is shows_the_progress_message
