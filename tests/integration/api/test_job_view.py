"""The event log of a job, in plain language."""

from datetime import UTC, datetime

import pytest

from deployments.api.views.event_texts import event_message
from deployments.api.views.job_view import event_log
from videojobs.db import JobEvent, JobEventKind
from videojobs.states import RecoveryPoint, Stage


def moved_end_event(*changes: str) -> str:
    event = JobEvent(
        at=datetime.now(UTC),
        kind=JobEventKind.SHORTENED,
        point=RecoveryPoint.UPLOADED,
        progress=10,
        message="Lip-sync processing...",
        detail={"changes": list(changes)},
    )
    [happening] = event_log([event])
    return happening.message


def test_moved_segment_ends_are_reported_to_the_user() -> None:
    assert moved_end_event("the segment from 0 s to 2 s ends at 1.98 s, since the next one begins at 2 s") == (
        "Some ends were moved forward for Sync.so: "
        "the segment from 0 s to 2 s ends at 1.98 s, since the next one begins at 2 s."
    )


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
