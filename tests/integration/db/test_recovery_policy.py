"""The recovery decision for every kind of stuck job, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from tests.support.example_request import make_request
from videojobs.db.maintenance import JobSnapshot
from videojobs.db.models import ENDED_WITHOUT_RESULT, Submission, SubmissionState, VideoJob
from videojobs.pipeline.recovery_policy import (
    NOT_QUERIED,
    RecoveryAction,
    decide_recovery,
    submission_to_query,
)
from videojobs.providers.base import VendorState, VendorStatus
from videojobs.requests.models import to_canonical_json
from videojobs.settings import TimingSettings
from videojobs.states import RecoveryPoint, Stage, Status

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LIP_SYNC, TEXT_REMOVAL = Stage.LIP_SYNC, Stage.TEXT_REMOVAL
PROVIDERS = {LIP_SYNC: "sync_so", TEXT_REMOVAL: "ghostcut"}
TIMINGS = TimingSettings()
WITH_AREAS, WITHOUT_AREAS = to_canonical_json(make_request()), to_canonical_json(make_request(effects=[]))
REMOVAL_ONLY = to_canonical_json(make_request(audio=[], segments=[]))


def make_submission(
    stage: Stage, state: SubmissionState, *, hours_ago: float = 1, provider: str = "", **more: Any
) -> Submission:
    """A submission; accepted ones have a vendor id."""
    when = NOW - timedelta(hours=hours_ago)
    known = state in (SubmissionState.ACCEPTED, SubmissionState.DONE, SubmissionState.FAILED)
    taken = {"vendor_id": f"the-{stage}", "accepted_at": when} if known else {}
    return Submission(
        stage=stage.value,
        provider=provider or PROVIDERS[stage],
        state=state.value,
        attempt=1,
        intended_at=when,
        body_written_at=when,
        **taken,
        **more,
    )


@dataclass(frozen=True)
class StuckJobCase:
    """A stuck job, and the decision for it. `reason` is a text that its reason must contain."""

    point: RecoveryPoint
    action: RecoveryAction
    reason: str
    submissions: Sequence[Submission] = ()
    vendor_status: VendorStatus = NOT_QUERIED
    has_areas: bool = True
    has_lip_sync: bool = True
    is_lease_alive: bool = False
    waiting_run: str | None = None
    reopened_hours_ago: float | None = None
    job_columns: dict[str, Any] = field(default_factory=dict)

    @property
    def snapshot(self) -> JobSnapshot:
        request = WITH_AREAS if self.has_areas else WITHOUT_AREAS
        request = request if self.has_lip_sync else REMOVAL_ONLY
        columns = {"status": Status.PROCESSING.value, "claims": 1, "parked_reason": None, **self.job_columns}
        job = VideoJob(id="job-1", recovery_point=self.point, request=request, **columns)
        reopened = None if self.reopened_hours_ago is None else NOW - timedelta(hours=self.reopened_hours_ago)
        return JobSnapshot(job, self.submissions, self.is_lease_alive, NOW, reopened)


ACCEPTED, DONE, WAITING = SubmissionState.ACCEPTED, SubmissionState.DONE, SubmissionState.WAITING
INTENDED, UNKNOWN, FAILED = SubmissionState.INTENDED, SubmissionState.UNKNOWN, SubmissionState.FAILED

LIP_SYNC_DONE = make_submission(LIP_SYNC, DONE)
AT_SYNC_SO = [make_submission(LIP_SYNC, ACCEPTED)]
AT_GHOSTCUT = [LIP_SYNC_DONE, make_submission(TEXT_REMOVAL, ACCEPTED)]
OVERDUE_AT_GHOSTCUT = [LIP_SYNC_DONE, make_submission(TEXT_REMOVAL, ACCEPTED, hours_ago=7)]
NO_ANSWER = VendorStatus(VendorState.NO_ANSWER, "connection refused")

CASES = {
    "opened, and never taken up": StuckJobCase(
        RecoveryPoint.OPENED, RecoveryAction.RESUME, "no run has started", job_columns={"status": "pending"}
    ),
    "its vendor's package is gone": StuckJobCase(
        RecoveryPoint.LIP_SYNC_SUBMITTED,
        RecoveryAction.PARK,
        "the-lip_sync is with the provider 'gone', and no provider 'gone' is installed",
        [make_submission(LIP_SYNC, ACCEPTED, provider="gone")],
    ),
    "its vendor's package is gone, and it was done": StuckJobCase(
        RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
        RecoveryAction.PARK,
        "no provider 'gone' is installed",
        [LIP_SYNC_DONE, make_submission(TEXT_REMOVAL, DONE, provider="gone")],
    ),
    "its vendor's package is gone, and its answer was lost": StuckJobCase(
        RecoveryPoint.UPLOADED,
        RecoveryAction.PARK,
        "no provider 'gone' is installed",
        [make_submission(LIP_SYNC, UNKNOWN, provider="gone")],
    ),
    "its first vendor's package is gone, and its result is stored": StuckJobCase(
        RecoveryPoint.LIP_SYNC_STORED,
        RecoveryAction.RESUME,
        "nothing was sent to GhostCut",
        [make_submission(LIP_SYNC, DONE, provider="gone")],
    ),
    "opened, its run died": StuckJobCase(RecoveryPoint.OPENED, RecoveryAction.RESUME, "died"),
    "uploaded": StuckJobCase(RecoveryPoint.UPLOADED, RecoveryAction.RESUME, "nothing was sent"),
    "Sync.so had asked to wait": StuckJobCase(
        RecoveryPoint.UPLOADED, RecoveryAction.RESUME, "nothing was sent", [make_submission(LIP_SYNC, WAITING)]
    ),
    "died before Sync.so answered": StuckJobCase(
        RecoveryPoint.UPLOADED, RecoveryAction.RESUME, "same idempotency key", [make_submission(LIP_SYNC, INTENDED)]
    ),
    "Sync.so's answer was lost": StuckJobCase(
        RecoveryPoint.UPLOADED, RecoveryAction.RESUME, "same idempotency key", [make_submission(LIP_SYNC, UNKNOWN)]
    ),
    "Sync.so's answer was lost long ago": StuckJobCase(
        RecoveryPoint.UPLOADED,
        RecoveryAction.RESUME,
        "vendor's list",
        [make_submission(LIP_SYNC, UNKNOWN, hours_ago=21)],
    ),
    "Sync.so refused, and another may follow": StuckJobCase(
        RecoveryPoint.UPLOADED,
        RecoveryAction.RESUME,
        "nothing was sent",
        [make_submission(LIP_SYNC, SubmissionState.REFUSED)],
    ),
    "Sync.so is at work": StuckJobCase(
        RecoveryPoint.LIP_SYNC_SUBMITTED,
        RecoveryAction.RESUME,
        "still running",
        AT_SYNC_SO,
        VendorStatus(VendorState.RUNNING),
    ),
    "Sync.so is at work for hours": StuckJobCase(
        RecoveryPoint.LIP_SYNC_SUBMITTED,
        RecoveryAction.PARK,
        "not finished the-lip_sync within 6 hours",
        [make_submission(LIP_SYNC, ACCEPTED, hours_ago=7)],
        VendorStatus(VendorState.RUNNING),
    ),
    "Sync.so is done, areas follow": StuckJobCase(
        RecoveryPoint.LIP_SYNC_SUBMITTED,
        RecoveryAction.RESUME,
        "text removal follows",
        AT_SYNC_SO,
        VendorStatus(VendorState.DONE),
    ),
    "Sync.so is done, no areas": StuckJobCase(
        RecoveryPoint.LIP_SYNC_SUBMITTED,
        RecoveryAction.COMPLETE,
        "Sync.so is done",
        AT_SYNC_SO,
        VendorStatus(VendorState.DONE),
        has_areas=False,
    ),
    "Sync.so is done and settled": StuckJobCase(
        RecoveryPoint.LIP_SYNC_SUBMITTED, RecoveryAction.COMPLETE, "Sync.so is done", [LIP_SYNC_DONE], has_areas=False
    ),
    "Sync.so failed": StuckJobCase(
        RecoveryPoint.LIP_SYNC_SUBMITTED,
        RecoveryAction.FAIL,
        "no face",
        AT_SYNC_SO,
        VendorStatus(VendorState.FAILED, "Lip-sync failed: no face"),
    ),
    "Sync.so failed, and its run died before it said so": StuckJobCase(
        RecoveryPoint.LIP_SYNC_SUBMITTED,
        RecoveryAction.FAIL,
        "no face",
        [make_submission(LIP_SYNC, FAILED, error="Lip-sync failed: no face")],
    ),
    "Sync.so does not show it yet": StuckJobCase(
        RecoveryPoint.LIP_SYNC_SUBMITTED,
        RecoveryAction.LEAVE,
        "does not show the-lip_sync yet",
        AT_SYNC_SO,
        VendorStatus(VendorState.NOT_FOUND),
    ),
    "Sync.so has not shown it for hours": StuckJobCase(
        RecoveryPoint.LIP_SYNC_SUBMITTED,
        RecoveryAction.PARK,
        "no longer lists the-lip_sync",
        [make_submission(LIP_SYNC, ACCEPTED, hours_ago=7)],
        VendorStatus(VendorState.NOT_FOUND),
    ),
    "Sync.so is out of reach": StuckJobCase(
        RecoveryPoint.LIP_SYNC_SUBMITTED, RecoveryAction.LEAVE, "connection refused", AT_SYNC_SO, NO_ANSWER
    ),
    "written off, and the decision is being carried out": StuckJobCase(
        RecoveryPoint.LIP_SYNC_SUBMITTED,
        RecoveryAction.LEAVE,
        "operator's action",
        [make_submission(LIP_SYNC, SubmissionState.WRITTEN_OFF)],
    ),
    "lip-sync stored, no areas": StuckJobCase(
        RecoveryPoint.LIP_SYNC_STORED, RecoveryAction.COMPLETE, "no areas", [LIP_SYNC_DONE], has_areas=False
    ),
    "lip-sync stored, areas": StuckJobCase(
        RecoveryPoint.LIP_SYNC_STORED, RecoveryAction.RESUME, "nothing was sent", [LIP_SYNC_DONE]
    ),
    "uploaded, text removal only": StuckJobCase(
        RecoveryPoint.UPLOADED,
        RecoveryAction.RESUME,
        "its inputs are stored, and nothing was sent to GhostCut",
        has_lip_sync=False,
    ),
    "text removal only, GhostCut's answer was lost": StuckJobCase(
        RecoveryPoint.UPLOADED,
        RecoveryAction.RESUME,
        "GhostCut may have received it: searching the vendor's list",
        [make_submission(TEXT_REMOVAL, UNKNOWN)],
        has_lip_sync=False,
    ),
    "text removal only, GhostCut is done": StuckJobCase(
        RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
        RecoveryAction.COMPLETE,
        "GhostCut is done",
        [make_submission(TEXT_REMOVAL, ACCEPTED)],
        VendorStatus(VendorState.DONE),
        has_lip_sync=False,
    ),
    "GhostCut had asked to wait": StuckJobCase(
        RecoveryPoint.LIP_SYNC_STORED,
        RecoveryAction.RESUME,
        "nothing was sent",
        [LIP_SYNC_DONE, make_submission(TEXT_REMOVAL, WAITING)],
    ),
    "GhostCut's answer was lost": StuckJobCase(
        RecoveryPoint.LIP_SYNC_STORED,
        RecoveryAction.RESUME,
        "vendor's list",
        [LIP_SYNC_DONE, make_submission(TEXT_REMOVAL, UNKNOWN)],
    ),
    "died before GhostCut answered": StuckJobCase(
        RecoveryPoint.LIP_SYNC_STORED,
        RecoveryAction.RESUME,
        "vendor's list",
        [LIP_SYNC_DONE, make_submission(TEXT_REMOVAL, INTENDED)],
    ),
    "GhostCut's answer was lost, its callback came": StuckJobCase(
        RecoveryPoint.LIP_SYNC_STORED,
        RecoveryAction.RESUME,
        "reported an id",
        [LIP_SYNC_DONE, make_submission(TEXT_REMOVAL, UNKNOWN, reported_vendor_id="541461135")],
    ),
    "GhostCut's answer was lost, but for the project": StuckJobCase(
        RecoveryPoint.LIP_SYNC_STORED,
        RecoveryAction.RESUME,
        "reported an id",
        [LIP_SYNC_DONE, make_submission(TEXT_REMOVAL, UNKNOWN, vendor_batch_id="249807732")],
    ),
    "GhostCut is at work": StuckJobCase(
        RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
        RecoveryAction.RESUME,
        "GhostCut is still",
        AT_GHOSTCUT,
        VendorStatus(VendorState.RUNNING),
    ),
    "GhostCut is at work for hours": StuckJobCase(
        RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
        RecoveryAction.PARK,
        "ask the vendor",
        OVERDUE_AT_GHOSTCUT,
        VendorStatus(VendorState.RUNNING),
    ),
    "GhostCut is at work for hours, and an operator has said to wait for it": StuckJobCase(
        RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
        RecoveryAction.RESUME,
        "GhostCut is still",
        OVERDUE_AT_GHOSTCUT,
        VendorStatus(VendorState.RUNNING),
        reopened_hours_ago=1,
    ),
    "GhostCut is done": StuckJobCase(
        RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
        RecoveryAction.COMPLETE,
        "GhostCut is done",
        AT_GHOSTCUT,
        VendorStatus(VendorState.DONE),
    ),
    "GhostCut failed": StuckJobCase(
        RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
        RecoveryAction.FAIL,
        "status 20",
        AT_GHOSTCUT,
        VendorStatus(VendorState.FAILED, "erase (status 20)"),
    ),
    "GhostCut locked it for want of points": StuckJobCase(
        RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
        RecoveryAction.PARK,
        "status 83",
        AT_GHOSTCUT,
        VendorStatus(VendorState.LOCKED, "points (status 83)"),
    ),
    "GhostCut does not show it yet": StuckJobCase(
        RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
        RecoveryAction.LEAVE,
        "yet",
        AT_GHOSTCUT,
        VendorStatus(VendorState.NOT_FOUND),
    ),
    "GhostCut has not shown it for hours": StuckJobCase(
        RecoveryPoint.TEXT_REMOVAL_SUBMITTED,
        RecoveryAction.PARK,
        "no longer lists",
        OVERDUE_AT_GHOSTCUT,
        VendorStatus(VendorState.NOT_FOUND),
    ),
    "GhostCut is out of reach, for hours": StuckJobCase(
        RecoveryPoint.TEXT_REMOVAL_SUBMITTED, RecoveryAction.LEAVE, "connection refused", OVERDUE_AT_GHOSTCUT, NO_ANSWER
    ),
    "text removal stored": StuckJobCase(
        RecoveryPoint.TEXT_REMOVAL_STORED,
        RecoveryAction.COMPLETE,
        "final video is stored",
        [LIP_SYNC_DONE, make_submission(TEXT_REMOVAL, DONE)],
    ),
    "a run is at work on it": StuckJobCase(
        RecoveryPoint.LIP_SYNC_SUBMITTED,
        RecoveryAction.LEAVE,
        "works on it",
        AT_SYNC_SO,
        VendorStatus(VendorState.FAILED, "no"),
        is_lease_alive=True,
    ),
    "a run of it waits for a worker": StuckJobCase(
        RecoveryPoint.UPLOADED, RecoveryAction.LEAVE, "run-7", waiting_run="run-7"
    ),
    "parked": StuckJobCase(
        RecoveryPoint.UPLOADED, RecoveryAction.LEAVE, "operator: who knows", job_columns={"parked_reason": "who knows"}
    ),
    "its runs do not survive it": StuckJobCase(
        RecoveryPoint.UPLOADED,
        RecoveryAction.PARK,
        "10 runs in a row",
        job_columns={"claims": TIMINGS.recovery_attempts},
    ),
    "one more run may try": StuckJobCase(
        RecoveryPoint.UPLOADED, RecoveryAction.RESUME, "", job_columns={"claims": TIMINGS.recovery_attempts - 1}
    ),
    "cancelled meanwhile": StuckJobCase(
        RecoveryPoint.UPLOADED, RecoveryAction.LEAVE, "cancelled", job_columns={"status": "cancelled"}
    ),
    "failed meanwhile": StuckJobCase(
        RecoveryPoint.UPLOADED, RecoveryAction.LEAVE, "failed", job_columns={"status": "failed"}
    ),
    "a lecture is fetched": StuckJobCase(RecoveryPoint.FETCHED, RecoveryAction.RESUME, "are kept"),
    "its speech is recognised": StuckJobCase(RecoveryPoint.TRANSCRIBED, RecoveryAction.RESUME, "are kept"),
    "its slides are found": StuckJobCase(RecoveryPoint.SLIDES_FOUND, RecoveryAction.RESUME, "are kept"),
    "both": StuckJobCase(RecoveryPoint.ANALYZED, RecoveryAction.RESUME, "are kept"),
    "its documents are stored": StuckJobCase(
        RecoveryPoint.DOCUMENTS_STORED, RecoveryAction.COMPLETE, "PDF and the subtitles"
    ),
    "completed meanwhile": StuckJobCase(
        RecoveryPoint.COMPLETED, RecoveryAction.LEAVE, "completed", job_columns={"status": "completed"}
    ),
}


@pytest.mark.parametrize("row", CASES.values(), ids=CASES)
def test_a_stuck_job_gets_the_decision_of_the_table(row: StuckJobCase) -> None:
    verdict = decide_recovery(row.snapshot, row.vendor_status, pending_run_id=row.waiting_run)
    assert verdict.action is row.action
    assert row.reason in verdict.reason


def test_the_table_covers_all_points_and_vendor_states() -> None:
    assert {row.point for row in CASES.values()} == set(RecoveryPoint)
    assert {row.vendor_status.state for row in CASES.values()} == set(VendorState)
    assert {row.action for row in CASES.values()} == set(RecoveryAction)


@pytest.mark.parametrize("row", CASES.values(), ids=CASES)
def test_a_vendor_is_queried_only_where_its_answer_matters(row: StuckJobCase) -> None:
    asked = submission_to_query(row.snapshot, row.waiting_run)
    assert (asked is not None) == (row.vendor_status is not NOT_QUERIED and not row.is_lease_alive)


def test_every_job_has_a_decision_and_fails_only_on_a_failure() -> None:
    histories = [[], *([make_submission(stage, state)] for stage in Stage for state in SubmissionState)]
    for at, submissions, says in product(RecoveryPoint, histories, VendorState):
        verdict = decide_recovery(
            StuckJobCase(at, RecoveryAction.LEAVE, "", submissions).snapshot, VendorStatus(says, "its words")
        )
        failed = says is VendorState.FAILED or any(row.state in ENDED_WITHOUT_RESULT for row in submissions)
        assert verdict.reason
        assert verdict.action is not RecoveryAction.FAIL or failed
