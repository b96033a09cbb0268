"""The verdict on every kind of stuck job, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from tests.unit.good_request import parsed
from videojobs.ledger.tables import ENDED_WITHOUT_RESULT, Submission, SubmissionState, VideoJob
from videojobs.ledger.upkeep import Standing
from videojobs.recovery import NOT_ASKED, Kind, Says, Truth, asked_about, decide
from videojobs.request import canonical
from videojobs.settings import Timings
from videojobs.states import Point, Stage, Status

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIP_SYNC, TEXT_REMOVAL = Stage.LIP_SYNC, Stage.TEXT_REMOVAL
TIMINGS = Timings()
WITH_AREAS, WITHOUT_AREAS = canonical(parsed()), canonical(parsed(effects=[]))


def bought(stage: Stage, state: SubmissionState, *, hours_ago: float = 1, **more: Any) -> Submission:
    """A submission; accepted ones have an id of the vendor's."""
    when = NOW - timedelta(hours=hours_ago)
    known = state in (SubmissionState.ACCEPTED, SubmissionState.DONE, SubmissionState.FAILED)
    taken = {"vendor_id": f"the-{stage}", "accepted_at": when} if known else {}
    return Submission(
        stage=stage.value, state=state.value, attempt=1, intended_at=when, body_written_at=when, **taken, **more
    )


@dataclass(frozen=True)
class Row:
    """A stuck job, and what becomes of it. `says` are words that a person must find in the reason."""

    at: Point
    kind: Kind
    says: str
    bought: Sequence[Submission] = ()
    truth: Truth = NOT_ASKED
    areas: bool = True
    lease_alive: bool = False
    run_waits: str | None = None
    reopened_hours_ago: float | None = None
    job: dict[str, Any] = field(default_factory=dict)

    @property
    def standing(self) -> Standing:
        request = WITH_AREAS if self.areas else WITHOUT_AREAS
        columns = {"status": Status.PROCESSING.value, "claims": 1, "parked_reason": None, **self.job}
        job = VideoJob(id="job-1", recovery_point=self.at.value, request=request, **columns)
        reopened = None if self.reopened_hours_ago is None else NOW - timedelta(hours=self.reopened_hours_ago)
        return Standing(job, self.bought, self.lease_alive, NOW, reopened)


ACCEPTED, DONE, WAITING = SubmissionState.ACCEPTED, SubmissionState.DONE, SubmissionState.WAITING
INTENDED, UNKNOWN, FAILED = SubmissionState.INTENDED, SubmissionState.UNKNOWN, SubmissionState.FAILED

SYNCED = bought(LIP_SYNC, DONE)
WITH_SYNC_SO = [bought(LIP_SYNC, ACCEPTED)]
WITH_GHOSTCUT = [SYNCED, bought(TEXT_REMOVAL, ACCEPTED)]
LONG_WITH_GHOSTCUT = [SYNCED, bought(TEXT_REMOVAL, ACCEPTED, hours_ago=7)]
NO_ANSWER = Truth(Says.NO_ANSWER, "connection refused")

TABLE = {
    "opened, and never taken up": Row(Point.OPENED, Kind.RESUME, "nobody", job={"status": "pending"}),
    "opened, its run died": Row(Point.OPENED, Kind.RESUME, "died"),
    "uploaded": Row(Point.UPLOADED, Kind.RESUME, "surely not"),
    "Sync.so had asked to wait": Row(Point.UPLOADED, Kind.RESUME, "surely not", [bought(LIP_SYNC, WAITING)]),
    "died before Sync.so answered": Row(Point.UPLOADED, Kind.RESUME, "same key", [bought(LIP_SYNC, INTENDED)]),
    "Sync.so's answer was lost": Row(Point.UPLOADED, Kind.RESUME, "same key", [bought(LIP_SYNC, UNKNOWN)]),
    "Sync.so's answer was lost long ago": Row(
        Point.UPLOADED, Kind.RESUME, "vendor's list", [bought(LIP_SYNC, UNKNOWN, hours_ago=21)]
    ),
    "Sync.so refused, and another may follow": Row(
        Point.UPLOADED, Kind.RESUME, "surely not", [bought(LIP_SYNC, SubmissionState.REFUSED)]
    ),
    "Sync.so is at work": Row(
        Point.LIP_SYNC_SUBMITTED, Kind.RESUME, "still at work", WITH_SYNC_SO, Truth(Says.RUNNING)
    ),
    "Sync.so is at work for hours": Row(
        Point.LIP_SYNC_SUBMITTED,
        Kind.PARK,
        "not finished the-lip_sync within 6 hours",
        [bought(LIP_SYNC, ACCEPTED, hours_ago=7)],
        Truth(Says.RUNNING),
    ),
    "Sync.so is done, areas follow": Row(
        Point.LIP_SYNC_SUBMITTED, Kind.RESUME, "text removal follows", WITH_SYNC_SO, Truth(Says.DONE)
    ),
    "Sync.so is done, no areas": Row(
        Point.LIP_SYNC_SUBMITTED, Kind.COMPLETE, "Sync.so is done", WITH_SYNC_SO, Truth(Says.DONE), areas=False
    ),
    "Sync.so is done and settled": Row(
        Point.LIP_SYNC_SUBMITTED, Kind.COMPLETE, "Sync.so is done", [SYNCED], areas=False
    ),
    "Sync.so failed": Row(
        Point.LIP_SYNC_SUBMITTED, Kind.FAIL, "no face", WITH_SYNC_SO, Truth(Says.FAILED, "Lip-sync failed: no face")
    ),
    "Sync.so failed, and its run died before it said so": Row(
        Point.LIP_SYNC_SUBMITTED,
        Kind.FAIL,
        "no face",
        [bought(LIP_SYNC, FAILED, error="Lip-sync failed: no face")],
    ),
    "Sync.so does not show it yet": Row(
        Point.LIP_SYNC_SUBMITTED, Kind.LEAVE, "does not show the-lip_sync yet", WITH_SYNC_SO, Truth(Says.UNKNOWN)
    ),
    "Sync.so has not shown it for hours": Row(
        Point.LIP_SYNC_SUBMITTED,
        Kind.PARK,
        "does not know the-lip_sync",
        [bought(LIP_SYNC, ACCEPTED, hours_ago=7)],
        Truth(Says.UNKNOWN),
    ),
    "Sync.so is out of reach": Row(Point.LIP_SYNC_SUBMITTED, Kind.LEAVE, "connection refused", WITH_SYNC_SO, NO_ANSWER),
    "written off, and the decision is being carried out": Row(
        Point.LIP_SYNC_SUBMITTED, Kind.LEAVE, "decision", [bought(LIP_SYNC, SubmissionState.WRITTEN_OFF)]
    ),
    "lip-sync stored, no areas": Row(Point.LIP_SYNC_STORED, Kind.COMPLETE, "no areas", [SYNCED], areas=False),
    "lip-sync stored, areas": Row(Point.LIP_SYNC_STORED, Kind.RESUME, "surely not", [SYNCED]),
    "GhostCut had asked to wait": Row(
        Point.LIP_SYNC_STORED, Kind.RESUME, "surely not", [SYNCED, bought(TEXT_REMOVAL, WAITING)]
    ),
    "GhostCut's answer was lost": Row(
        Point.LIP_SYNC_STORED, Kind.RESUME, "vendor's list", [SYNCED, bought(TEXT_REMOVAL, UNKNOWN)]
    ),
    "died before GhostCut answered": Row(
        Point.LIP_SYNC_STORED, Kind.RESUME, "vendor's list", [SYNCED, bought(TEXT_REMOVAL, INTENDED)]
    ),
    "GhostCut's answer was lost, its callback came": Row(
        Point.LIP_SYNC_STORED,
        Kind.RESUME,
        "a work was named",
        [SYNCED, bought(TEXT_REMOVAL, UNKNOWN, candidate_id="541461135")],
    ),
    "GhostCut's answer was lost, but for the project": Row(
        Point.LIP_SYNC_STORED,
        Kind.RESUME,
        "a work was named",
        [SYNCED, bought(TEXT_REMOVAL, UNKNOWN, vendor_batch_id="249807732")],
    ),
    "GhostCut is at work": Row(
        Point.TEXT_REMOVAL_SUBMITTED, Kind.RESUME, "GhostCut is still", WITH_GHOSTCUT, Truth(Says.RUNNING)
    ),
    "GhostCut is at work for hours": Row(
        Point.TEXT_REMOVAL_SUBMITTED, Kind.PARK, "ask the vendor", LONG_WITH_GHOSTCUT, Truth(Says.RUNNING)
    ),
    "GhostCut is at work for hours, and an operator has said to wait for it": Row(
        Point.TEXT_REMOVAL_SUBMITTED,
        Kind.RESUME,
        "GhostCut is still",
        LONG_WITH_GHOSTCUT,
        Truth(Says.RUNNING),
        reopened_hours_ago=1,
    ),
    "GhostCut is done": Row(
        Point.TEXT_REMOVAL_SUBMITTED, Kind.COMPLETE, "GhostCut is done", WITH_GHOSTCUT, Truth(Says.DONE)
    ),
    "GhostCut failed": Row(
        Point.TEXT_REMOVAL_SUBMITTED, Kind.FAIL, "status 20", WITH_GHOSTCUT, Truth(Says.FAILED, "erase (status 20)")
    ),
    "GhostCut locked it for want of points": Row(
        Point.TEXT_REMOVAL_SUBMITTED, Kind.PARK, "status 83", WITH_GHOSTCUT, Truth(Says.LOCKED, "points (status 83)")
    ),
    "GhostCut does not show it yet": Row(
        Point.TEXT_REMOVAL_SUBMITTED, Kind.LEAVE, "yet", WITH_GHOSTCUT, Truth(Says.UNKNOWN)
    ),
    "GhostCut has not shown it for hours": Row(
        Point.TEXT_REMOVAL_SUBMITTED, Kind.PARK, "any more", LONG_WITH_GHOSTCUT, Truth(Says.UNKNOWN)
    ),
    "GhostCut is out of reach, for hours": Row(
        Point.TEXT_REMOVAL_SUBMITTED, Kind.LEAVE, "connection refused", LONG_WITH_GHOSTCUT, NO_ANSWER
    ),
    "text removal stored": Row(
        Point.TEXT_REMOVAL_STORED, Kind.COMPLETE, "final video is stored", [SYNCED, bought(TEXT_REMOVAL, DONE)]
    ),
    "a run is at work on it": Row(
        Point.LIP_SYNC_SUBMITTED, Kind.LEAVE, "at work on it", WITH_SYNC_SO, Truth(Says.FAILED, "no"), lease_alive=True
    ),
    "a run of it waits for a worker": Row(Point.UPLOADED, Kind.LEAVE, "run-7", run_waits="run-7"),
    "parked": Row(Point.UPLOADED, Kind.LEAVE, "operator: who knows", job={"parked_reason": "who knows"}),
    "its runs do not survive it": Row(
        Point.UPLOADED, Kind.PARK, "10 runs in a row", job={"claims": TIMINGS.recovery_attempts}
    ),
    "one more run may try": Row(Point.UPLOADED, Kind.RESUME, "", job={"claims": TIMINGS.recovery_attempts - 1}),
    "cancelled meanwhile": Row(Point.UPLOADED, Kind.LEAVE, "cancelled", job={"status": "cancelled"}),
    "failed meanwhile": Row(Point.UPLOADED, Kind.LEAVE, "failed", job={"status": "failed"}),
    "a lecture is fetched": Row(Point.FETCHED, Kind.RESUME, "is kept"),
    "its speech is recognised": Row(Point.TRANSCRIBED, Kind.RESUME, "is kept"),
    "its slides are found": Row(Point.SLIDES_FOUND, Kind.RESUME, "is kept"),
    "both": Row(Point.UNDERSTOOD, Kind.RESUME, "is kept"),
    "its documents are stored": Row(Point.DOCUMENTS_STORED, Kind.COMPLETE, "PDF and the subtitles"),
    "completed meanwhile": Row(Point.COMPLETED, Kind.LEAVE, "completed", job={"status": "completed"}),
}


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_a_stuck_job_gets_the_verdict_of_the_table(row: Row) -> None:
    verdict = decide(row.standing, row.truth, run_waits=row.run_waits)
    assert verdict.kind is row.kind
    assert row.says in verdict.reason


def test_every_recovery_point_and_every_answer_of_a_vendor_is_in_the_table() -> None:
    assert {row.at for row in TABLE.values()} == set(Point)
    assert {row.truth.says for row in TABLE.values()} == set(Says)
    assert {row.kind for row in TABLE.values()} == set(Kind)


@pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
def test_a_vendor_is_asked_where_its_answer_is_given_in_the_table_and_nowhere_else(row: Row) -> None:
    asked = asked_about(row.standing, row.run_waits)
    assert (asked is not None) == (row.truth is not NOT_ASKED and not row.lease_alive)


def test_no_job_however_strange_is_without_a_verdict_and_none_fails_without_a_failure() -> None:
    histories = [[], *([bought(stage, state)] for stage in Stage for state in SubmissionState)]
    for at, submissions, says in product(Point, histories, Says):
        verdict = decide(Row(at, Kind.LEAVE, "", submissions).standing, Truth(says, "its words"))
        failed = says is Says.FAILED or any(row.state in ENDED_WITHOUT_RESULT for row in submissions)
        assert verdict.reason
        assert verdict.kind is not Kind.FAIL or failed
