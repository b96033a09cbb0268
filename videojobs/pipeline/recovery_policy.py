"""Decides what to do with a job that makes no progress, from its state and its vendor's status.

Pure functions: the clean-up flow collects the input and applies the decision. Messages for operators are here, too, so
that a run and the clean-up park a job with the same text.

    not ours to change         ended; parked; leased by a run; a run of it is scheduled                     leave
    crash loop                 as many crashed runs at one recovery point as allowed                        park
    nothing bought yet         opened, uploaded                                                             resume
    outcome unknown            retry with the same key; or search at the vendor                             resume
    its provider is missing    not installed any more, or broken                                            park
    accepted by the vendor     running                                                                      resume
                               done                                  complete, or resume if text removal follows
                               failed                                                                       fail
                               locked; running or not found after hours                                     park
                               not found yet; unreachable                                                   leave
    result stored              nothing follows, or text removal                              complete or resume
    a lecture                  has no vendor                                                 resume or complete
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from videojobs.db.maintenance import JobSnapshot
from videojobs.db.models import IN_DOUBT_STATES, Submission, SubmissionState
from videojobs.providers.base import VendorState, VendorStatus
from videojobs.providers.registry import (
    ProviderSelection,
    display_name,
    get_provider,
    missing_provider_message,
    providers,
)
from videojobs.settings import TimingSettings
from videojobs.states import UNFINISHED_STATUSES, RecoveryPoint, Stage, Status, paid_stage_at

NOT_QUERIED: Final = VendorStatus(VendorState.NOT_QUERIED, "the vendor was not queried")


class RecoveryAction(StrEnum):
    """What to do with a job."""

    RESUME = "resume"  # start a run, which resumes at the recovery point
    COMPLETE = "complete"  # the same, with nothing left to buy or to wait for
    FAIL = "fail"
    PARK = "park"  # an operator has to decide
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class RecoveryDecision:
    """What to do, and why; the reason is shown in events and reports."""

    action: RecoveryAction
    reason: str


def submission_to_query(snapshot: JobSnapshot, pending_run_id: str | None = None) -> Submission | None:
    """The accepted submission whose vendor status decides about the job; None if nothing depends on it."""
    stage = paid_stage_at(snapshot.job.recovery_point)
    if stage is None or _skip_reason(snapshot, pending_run_id) is not None:
        return None
    submission = snapshot.latest_submission(stage)
    if submission is None or submission.state != SubmissionState.ACCEPTED or submission.provider not in providers():
        return None
    return submission


def decide_recovery(
    snapshot: JobSnapshot,
    vendor_status: VendorStatus = NOT_QUERIED,
    *,
    pending_run_id: str | None = None,
    timings: TimingSettings | None = None,
) -> RecoveryDecision:
    """The decision about a job. `pending_run_id` is a scheduled run of it that no worker has started yet."""
    timings = timings or TimingSettings.current()
    if (skip_reason := _skip_reason(snapshot, pending_run_id)) is not None:
        return RecoveryDecision(RecoveryAction.LEAVE, skip_reason)
    if snapshot.job.claims >= timings.recovery_attempts:
        return RecoveryDecision(
            RecoveryAction.PARK, crash_loop_message(snapshot.job.claims, snapshot.job.recovery_point)
        )
    return _DECISION_RULES[snapshot.job.recovery_point](snapshot, vendor_status, timings)


def _skip_reason(snapshot: JobSnapshot, pending_run_id: str | None) -> str | None:
    """Why only a run or an operator may change the job; None if the clean-up may."""
    job = snapshot.job
    if job.status not in UNFINISHED_STATUSES:
        return f"it is {job.status}"
    if job.parked_reason is not None:
        return f"it waits for an operator: {job.parked_reason}"
    if snapshot.lease_alive:
        return "a run works on it, or waits for a vendor slot"
    return f"a run of it waits for a worker: {pending_run_id}" if pending_run_id else None


def _decide_opened(snapshot: JobSnapshot, _: VendorStatus, __: TimingSettings) -> RecoveryDecision:
    if snapshot.job.status == Status.PENDING:
        return RecoveryDecision(RecoveryAction.RESUME, "it was created, and no run has started it")
    return RecoveryDecision(RecoveryAction.RESUME, "its run died before the inputs were stored")


def _decide_uploaded(snapshot: JobSnapshot, _: VendorStatus, timings: TimingSettings) -> RecoveryDecision:
    stage = Stage.LIP_SYNC if snapshot.job.has_lip_sync else Stage.TEXT_REMOVAL
    return _decide_before_submission(snapshot, stage, "its inputs are stored", timings)


def _decide_lip_sync_stored(snapshot: JobSnapshot, _: VendorStatus, timings: TimingSettings) -> RecoveryDecision:
    if not snapshot.job.has_text_removal:
        return RecoveryDecision(RecoveryAction.COMPLETE, "the lip-sync result is stored, and there are no areas")
    return _decide_before_submission(snapshot, Stage.TEXT_REMOVAL, "the lip-sync result is stored", timings)


def _decide_before_submission(
    snapshot: JobSnapshot, stage: Stage, stored: str, timings: TimingSettings
) -> RecoveryDecision:
    """The job is resumed in any case; the reason says how the run handles a submission with an unknown outcome."""
    submission = snapshot.latest_submission(stage)
    if submission is None or submission.state not in IN_DOUBT_STATES:
        vendor = display_name(ProviderSelection.current().key_for(stage))
        return RecoveryDecision(RecoveryAction.RESUME, f"{stored}, and nothing was sent to {vendor}")
    if (missing := _park_without_provider(submission)) is not None:
        return missing
    provider = get_provider(submission.provider)
    repeats_safely = provider.capabilities.idempotent_retry
    if repeats_safely and snapshot.now - submission.body_written_at < timedelta(hours=timings.idempotent_retry_hours):
        how = "retrying with the same idempotency key (cannot double-charge)"
    elif submission.reported_vendor_id or submission.vendor_batch_id:
        how = "it reported an id, which is adopted if it is ours"
    elif repeats_safely:
        how = "searching the vendor's list, to adopt it from there"
    else:
        how = "searching the vendor's list, and sending it again if it is not there"
    return RecoveryDecision(RecoveryAction.RESUME, f"{provider.display_name} may have received it: {how}")


def _decide_text_removal_stored(_: JobSnapshot, __: VendorStatus, ___: TimingSettings) -> RecoveryDecision:
    return RecoveryDecision(RecoveryAction.COMPLETE, "the final video is stored")


def _decide_submitted(snapshot: JobSnapshot, vendor_status: VendorStatus, timings: TimingSettings) -> RecoveryDecision:
    """The vendor has accepted it, or has ended it before the last run died."""
    stage = Stage.LIP_SYNC if snapshot.job.recovery_point is RecoveryPoint.LIP_SYNC_SUBMITTED else Stage.TEXT_REMOVAL
    submission = snapshot.latest_submission(stage)
    if submission is None or submission.state == SubmissionState.WRITTEN_OFF:
        return RecoveryDecision(RecoveryAction.LEAVE, "an operator's action on it is in progress")
    if submission.state in (SubmissionState.FAILED, SubmissionState.REFUSED):
        return RecoveryDecision(RecoveryAction.FAIL, submission.error or "the vendor gave no reason")
    if (missing := _park_without_provider(submission)) is not None:
        return missing
    if submission.state == SubmissionState.DONE or vendor_status.state is VendorState.DONE:
        return _decide_vendor_done(snapshot, submission)
    return _decide_by_vendor_status(snapshot, submission, vendor_status, timings)


def _park_without_provider(submission: Submission) -> RecoveryDecision | None:
    """Only its provider can tell what became of a submission, or fetch its result."""
    if submission.provider in providers():
        return None
    return RecoveryDecision(
        RecoveryAction.PARK, submission_without_provider_message(submission.provider, submission.vendor_id)
    )


def _decide_vendor_done(snapshot: JobSnapshot, submission: Submission) -> RecoveryDecision:
    stage, vendor = submission.stage, display_name(submission.provider)
    if stage == Stage.LIP_SYNC and snapshot.job.has_text_removal:
        return RecoveryDecision(
            RecoveryAction.RESUME, f"{vendor} is done; a run fetches the result, and text removal follows"
        )
    return RecoveryDecision(RecoveryAction.COMPLETE, f"{vendor} is done; a run fetches the result")


def _decide_by_vendor_status(
    snapshot: JobSnapshot, submission: Submission, vendor_status: VendorStatus, timings: TimingSettings
) -> RecoveryDecision:
    vendor = display_name(submission.provider)
    overdue = snapshot.submission_age_since_reopen(submission) > timedelta(hours=timings.poll_give_up_hours)
    match vendor_status.state:
        case VendorState.FAILED:
            action, reason = RecoveryAction.FAIL, vendor_status.message
        case VendorState.LOCKED:
            action, reason = RecoveryAction.PARK, vendor_status.message
        case VendorState.NOT_FOUND if overdue:  # until then, it may be too new for the vendor's lists
            action, reason = RecoveryAction.PARK, unknown_id_message(vendor, submission.vendor_id)
        case VendorState.NOT_FOUND:
            action, reason = RecoveryAction.LEAVE, f"{vendor} does not show {submission.vendor_id} yet"
        case VendorState.RUNNING if overdue:
            action, reason = (
                RecoveryAction.PARK,
                overdue_message(vendor, submission.vendor_id, timings.poll_give_up_hours),
            )
        case VendorState.RUNNING:
            action, reason = RecoveryAction.RESUME, f"{vendor} is still running, and no run waits for it"
        case _:
            action, reason = RecoveryAction.LEAVE, vendor_status.message
    return RecoveryDecision(action, reason)


def _decide_lecture(_: JobSnapshot, __: VendorStatus, ___: TimingSettings) -> RecoveryDecision:
    return RecoveryDecision(RecoveryAction.RESUME, "its run died; the results stored so far are kept")


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


# ---- why a job is parked: messages for operators -----------------------------------------------------------


def outcome_unknown_message(vendor: str, reason: str) -> str:
    """A paid call was sent, and its outcome cannot be found out."""
    return (
        f"it is not known whether {vendor} accepted the submission ({reason}). "
        f"Look for the job id in the {vendor} dashboard before you submit again: each submission costs."
    )


def submission_without_provider_message(provider: str, vendor_id: str | None) -> str:
    """A submission is with a vendor whose package is not installed any more, or is broken."""
    what = f"the submission {vendor_id}" if vendor_id else "a submission"
    return (
        f"{what} is with the provider {provider!r}, and {missing_provider_message(provider)}. "
        "Install its package, then decide `retry`"
    )


def overdue_message(vendor: str, vendor_id: str | None, hours: float) -> str:
    """A vendor has not finished within the polling time-out."""
    return f"{vendor} has not finished {vendor_id} within {hours:g} hours; ask the vendor about it"


def unknown_id_message(vendor: str, vendor_id: str | None) -> str:
    """A vendor does not know an id that it had accepted."""
    return (
        f"{vendor} no longer lists {vendor_id}; ask the vendor about it, "
        "then decide `resubmit` (which costs again) or `give up`"
    )


def crash_loop_message(runs: int, point: RecoveryPoint) -> str:
    """The runs of a job crash at the same recovery point."""
    return (
        f"{runs} runs in a row ended at the recovery point {point}; read their logs, fix the cause, then decide `retry`"
    )
