"""What becomes of a job that makes no progress: from where it stands and what its vendor says, a verdict.

Pure: the clean-up flow finds the facts and acts on the verdict. The sentences for operators are here, too, so that a
run and a clean-up park a job in the same words.

    nobody may touch it            ended, parked, a run is at work on it, a run of it waits for a worker    leave
    its runs do not survive it     as many takings-up in a row as the cap allows                            park
    nothing is bought yet          opened, uploaded                                                         resume
    a submission is in doubt       Sync.so: the same key again, or a look into its list                     resume
                                   GhostCut: a look at the work that was named, or into its list           resume
    the vendor has it              still at work                                                            resume
                                   done                                             complete, or resume with areas
                                   failed                                                                   fail
                                   locked; still at work or not shown after hours                           park
                                   not shown yet, out of reach                                              leave
    its result is stored           nothing follows, or text removal                              complete or resume
    a lecture                      has no vendor to ask                                          resume or complete
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from videojobs.db.maintenance import JobSnapshot
from videojobs.db.models import Json, Submission, SubmissionState
from videojobs.settings import TimingSettings
from videojobs.states import UNFINISHED_STATUSES, RecoveryPoint, Stage, Status, paid_step_at

VENDOR_NAMES: Final = {Stage.LIP_SYNC: "Sync.so", Stage.TEXT_REMOVAL: "GhostCut"}
_IN_DOUBT_STATES: Final = (SubmissionState.INTENDED, SubmissionState.UNKNOWN)


class VendorState(StrEnum):
    """What a vendor says about a submission that it had accepted."""

    NOT_QUERIED = "nothing"  # not asked, since nothing depends on it
    NO_ANSWER = "no answer"  # it could not be asked
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOCKED = "locked"  # finished, and to be had for more points only
    NOT_FOUND = "unknown"  # it knows no such id


@dataclass(frozen=True, slots=True)
class VendorStatus:
    """A vendor's answer: in short, in words, and as the books keep it."""

    state: VendorState
    message: str = ""
    response: Json | None = None
    paid_points: Decimal | None = None


NOT_QUERIED: Final = VendorStatus(VendorState.NOT_QUERIED, "the vendor was not asked")


class RecoveryAction(StrEnum):
    """What is to be done with a job."""

    RESUME = "resume"  # a run is started that goes on where the job stands
    COMPLETE = "complete"  # the same, and there is nothing to buy or to wait for any more
    FAIL = "fail"
    PARK = "park"  # an operator has to decide
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class RecoveryDecision:
    """What is to be done, and why, in words for the job's events and for people."""

    action: RecoveryAction
    reason: str


def submission_to_query(snapshot: JobSnapshot, pending_run_id: str | None = None) -> Submission | None:
    """The submission whose fate decides about a job, to be asked of its vendor; None where nothing depends on it."""
    paid = paid_step_at(snapshot.job.point)
    if paid is None or _skip_reason(snapshot, pending_run_id) is not None:
        return None
    submission = snapshot.latest_submission(paid.stage)
    return submission if submission is not None and submission.state == SubmissionState.ACCEPTED else None


def decide_recovery(
    snapshot: JobSnapshot,
    vendor_status: VendorStatus = NOT_QUERIED,
    *,
    pending_run_id: str | None = None,
    timings: TimingSettings | None = None,
) -> RecoveryDecision:
    """The verdict on a job. `waiting_run` is the id of a run of it that no worker has taken yet."""
    timings = timings or TimingSettings()
    if (skip_reason := _skip_reason(snapshot, pending_run_id)) is not None:
        return RecoveryDecision(RecoveryAction.LEAVE, skip_reason)
    if snapshot.job.claims >= timings.recovery_attempts:
        return RecoveryDecision(RecoveryAction.PARK, crash_loop_message(snapshot.job.claims, snapshot.job.point))
    return _DECISION_RULES[snapshot.job.point](snapshot, vendor_status, timings)


def _skip_reason(snapshot: JobSnapshot, pending_run_id: str | None) -> str | None:
    """Why nobody but a run or an operator may touch a job."""
    job = snapshot.job
    if job.status not in UNFINISHED_STATUSES:
        return f"it is {job.status}"
    if job.parked_reason is not None:
        return f"it waits for an operator: {job.parked_reason}"
    if snapshot.lease_alive:
        return "a run is at work on it, or waits for a place at the vendor"
    return f"a run of it waits for a worker: {pending_run_id}" if pending_run_id else None


def _decide_opened(snapshot: JobSnapshot, _: VendorStatus, __: TimingSettings) -> RecoveryDecision:
    if snapshot.job.status == Status.PENDING:
        return RecoveryDecision(RecoveryAction.RESUME, "it was opened, and nobody has taken it up")
    return RecoveryDecision(RecoveryAction.RESUME, "its run died before the inputs were stored")


def _decide_uploaded(snapshot: JobSnapshot, _: VendorStatus, timings: TimingSettings) -> RecoveryDecision:
    submission = snapshot.latest_submission(Stage.LIP_SYNC)
    if submission is None or submission.state not in _IN_DOUBT_STATES:
        return RecoveryDecision(
            RecoveryAction.RESUME, "its inputs are stored, and Sync.so has surely not been given them"
        )
    if snapshot.now - submission.body_written_at < timedelta(hours=timings.replay_hours):
        return RecoveryDecision(
            RecoveryAction.RESUME, "Sync.so may have taken it: asked again with the same key, which buys nothing twice"
        )
    return RecoveryDecision(
        RecoveryAction.RESUME,
        "Sync.so may have taken it: it is looked for in the vendor's list, and adopted from there",
    )


def _decide_lip_sync_stored(snapshot: JobSnapshot, _: VendorStatus, __: TimingSettings) -> RecoveryDecision:
    if not snapshot.job.has_areas:
        return RecoveryDecision(RecoveryAction.COMPLETE, "the lip-sync result is stored, and there are no areas")
    submission = snapshot.latest_submission(Stage.TEXT_REMOVAL)
    if submission is None or submission.state not in _IN_DOUBT_STATES:
        return RecoveryDecision(
            RecoveryAction.RESUME, "the lip-sync result is stored, and GhostCut has surely not been given it"
        )
    if submission.candidate_id or submission.vendor_batch_id:
        return RecoveryDecision(
            RecoveryAction.RESUME, "GhostCut may have taken it, and a work was named: it is adopted if it is ours"
        )
    return RecoveryDecision(
        RecoveryAction.RESUME,
        "GhostCut may have taken it: it is looked for in the vendor's list, and sent again if it is not there",
    )


def _decide_text_removal_stored(_: JobSnapshot, __: VendorStatus, ___: TimingSettings) -> RecoveryDecision:
    return RecoveryDecision(RecoveryAction.COMPLETE, "the final video is stored")


def _decide_submitted(snapshot: JobSnapshot, vendor_status: VendorStatus, timings: TimingSettings) -> RecoveryDecision:
    """The vendor has it, or has ended it before the last run died."""
    stage = Stage.LIP_SYNC if snapshot.job.point is RecoveryPoint.LIP_SYNC_SUBMITTED else Stage.TEXT_REMOVAL
    submission = snapshot.latest_submission(stage)
    if submission is None or submission.state == SubmissionState.WRITTEN_OFF:
        return RecoveryDecision(RecoveryAction.LEAVE, "an operator's decision about it is being carried out")
    if submission.state in (SubmissionState.FAILED, SubmissionState.REFUSED):
        return RecoveryDecision(RecoveryAction.FAIL, submission.error or "the vendor gave no reason")
    if submission.state == SubmissionState.DONE or vendor_status.state is VendorState.DONE:
        return _decide_vendor_done(snapshot, stage)
    return _decide_by_vendor_status(snapshot, submission, vendor_status, timings)


def _decide_vendor_done(snapshot: JobSnapshot, stage: Stage) -> RecoveryDecision:
    if stage is Stage.LIP_SYNC and snapshot.job.has_areas:
        return RecoveryDecision(
            RecoveryAction.RESUME, "Sync.so is done; a run fetches the result, and text removal follows"
        )
    return RecoveryDecision(RecoveryAction.COMPLETE, f"{VENDOR_NAMES[stage]} is done; a run fetches the result")


def _decide_by_vendor_status(
    snapshot: JobSnapshot, submission: Submission, vendor_status: VendorStatus, timings: TimingSettings
) -> RecoveryDecision:
    vendor = VENDOR_NAMES[Stage(submission.stage)]
    overdue = snapshot.submission_age_since_reopen(submission) > timedelta(hours=timings.poll_give_up_hours)
    match vendor_status.state:
        case VendorState.FAILED:
            action, reason = RecoveryAction.FAIL, vendor_status.message
        case VendorState.LOCKED:
            action, reason = RecoveryAction.PARK, vendor_status.message
        case VendorState.NOT_FOUND if overdue:  # before, it may be too new for the vendor's lists
            action, reason = RecoveryAction.PARK, unknown_id_message(vendor, submission.vendor_id)
        case VendorState.NOT_FOUND:
            action, reason = RecoveryAction.LEAVE, f"{vendor} does not show {submission.vendor_id} yet"
        case VendorState.RUNNING if overdue:
            action, reason = (
                RecoveryAction.PARK,
                overdue_message(vendor, submission.vendor_id, timings.poll_give_up_hours),
            )
        case VendorState.RUNNING:
            action, reason = RecoveryAction.RESUME, f"{vendor} is still at work, and no run waits for it"
        case _:
            action, reason = RecoveryAction.LEAVE, vendor_status.message
    return RecoveryDecision(action, reason)


def _decide_lecture(_: JobSnapshot, __: VendorStatus, ___: TimingSettings) -> RecoveryDecision:
    return RecoveryDecision(RecoveryAction.RESUME, "its run died; what it had stored of the lecture is kept")


def _decide_documents_stored(_: JobSnapshot, __: VendorStatus, ___: TimingSettings) -> RecoveryDecision:
    return RecoveryDecision(RecoveryAction.COMPLETE, "the PDF and the subtitles are stored")


def _decide_completed(_: JobSnapshot, __: VendorStatus, ___: TimingSettings) -> RecoveryDecision:
    return RecoveryDecision(RecoveryAction.LEAVE, "it is completed")


_DECISION_RULES: Final[dict[RecoveryPoint, Callable[[JobSnapshot, VendorStatus, TimingSettings], RecoveryDecision]]] = {
    RecoveryPoint.OPENED: _decide_opened,
    RecoveryPoint.UPLOADED: _decide_uploaded,
    RecoveryPoint.LIP_SYNC_SUBMITTED: _decide_submitted,
    RecoveryPoint.LIP_SYNC_STORED: _decide_lip_sync_stored,
    RecoveryPoint.TEXT_REMOVAL_SUBMITTED: _decide_submitted,
    RecoveryPoint.TEXT_REMOVAL_STORED: _decide_text_removal_stored,
    RecoveryPoint.FETCHED: _decide_lecture,
    RecoveryPoint.TRANSCRIBED: _decide_lecture,
    RecoveryPoint.SLIDES_FOUND: _decide_lecture,
    RecoveryPoint.ANALYZED: _decide_lecture,
    RecoveryPoint.DOCUMENTS_STORED: _decide_documents_stored,
    RecoveryPoint.COMPLETED: _decide_completed,
}


# ---- why a job is parked: sentences for operators ----------------------------------------------------------


def outcome_unknown_message(vendor: str, reason: str) -> str:
    """A paid call was sent, and nothing tells what became of it."""
    return (
        f"it is not known whether {vendor} took the submission ({reason}). "
        f"Look for the job id in the {vendor} dashboard before you submit again: each submission costs."
    )


def overdue_message(vendor: str, vendor_id: str | None, hours: float) -> str:
    """A vendor has been at work for longer than anybody waits."""
    return f"{vendor} has not finished {vendor_id} within {hours:g} hours; ask the vendor about it"


def unknown_id_message(vendor: str, vendor_id: str | None) -> str:
    """A vendor does not know what it had accepted."""
    return (
        f"{vendor} does not know {vendor_id} any more; ask the vendor about it, "
        "then decide `resubmit` (which costs again) or `give up`"
    )


def crash_loop_message(runs: int, point: RecoveryPoint) -> str:
    """The runs of a job do not survive it."""
    return (
        f"{runs} runs in a row ended without getting any further than {point}; "
        "look at their logs, mend what is wrong, then decide `retry`"
    )
