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

from videojobs.ledger.tables import Json, Submission, SubmissionState
from videojobs.ledger.upkeep import Standing
from videojobs.settings import Timings
from videojobs.states import UNFINISHED, Point, Stage, Status, submitted_for

VENDORS: Final = {Stage.LIP_SYNC: "Sync.so", Stage.TEXT_REMOVAL: "GhostCut"}
_IN_DOUBT: Final = (SubmissionState.INTENDED, SubmissionState.UNKNOWN)


class Says(StrEnum):
    """What a vendor says about a submission that it had accepted."""

    NOTHING = "nothing"  # not asked, since nothing depends on it
    NO_ANSWER = "no answer"  # it could not be asked
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LOCKED = "locked"  # finished, and to be had for more points only
    UNKNOWN = "unknown"  # it knows no such id


@dataclass(frozen=True, slots=True)
class Truth:
    """A vendor's answer: in short, in words, and as the books keep it."""

    says: Says
    text: str = ""
    answer: Json | None = None
    paid_points: Decimal | None = None


NOT_ASKED: Final = Truth(Says.NOTHING, "the vendor was not asked")


class Kind(StrEnum):
    """What is to be done with a job."""

    RESUME = "resume"  # a run is started that goes on where the job stands
    COMPLETE = "complete"  # the same, and there is nothing to buy or to wait for any more
    FAIL = "fail"
    PARK = "park"  # an operator has to decide
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done, and why, in words for the job's events and for people."""

    kind: Kind
    reason: str


def asked_about(standing: Standing, run_waits: str | None = None) -> Submission | None:
    """The submission whose fate decides about a job, to be asked of its vendor; None where nothing depends on it."""
    paid = submitted_for(standing.job.point)
    if paid is None or _hands_off(standing, run_waits) is not None:
        return None
    submission = standing.last(paid.stage)
    return submission if submission is not None and submission.state == SubmissionState.ACCEPTED else None


def decide(
    standing: Standing, truth: Truth = NOT_ASKED, *, run_waits: str | None = None, timings: Timings | None = None
) -> Verdict:
    """The verdict on a job. `run_waits` is the id of a run of it that no worker has taken yet."""
    timings = timings or Timings()
    if (hands_off := _hands_off(standing, run_waits)) is not None:
        return Verdict(Kind.LEAVE, hands_off)
    if standing.job.claims >= timings.recovery_attempts:
        return Verdict(Kind.PARK, too_many_runs(standing.job.claims, standing.job.point))
    return _RULES[standing.job.point](standing, truth, timings)


def _hands_off(standing: Standing, run_waits: str | None) -> str | None:
    """Why nobody but a run or an operator may touch a job."""
    job = standing.job
    if job.status not in UNFINISHED:
        return f"it is {job.status}"
    if job.parked_reason is not None:
        return f"it waits for an operator: {job.parked_reason}"
    if standing.lease_alive:
        return "a run is at work on it, or waits for a place at the vendor"
    return f"a run of it waits for a worker: {run_waits}" if run_waits else None


def _opened(standing: Standing, _: Truth, __: Timings) -> Verdict:
    if standing.job.status == Status.PENDING:
        return Verdict(Kind.RESUME, "it was opened, and nobody has taken it up")
    return Verdict(Kind.RESUME, "its run died before the inputs were stored")


def _uploaded(standing: Standing, _: Truth, timings: Timings) -> Verdict:
    submission = standing.last(Stage.LIP_SYNC)
    if submission is None or submission.state not in _IN_DOUBT:
        return Verdict(Kind.RESUME, "its inputs are stored, and Sync.so has surely not been given them")
    if standing.now - submission.body_written_at < timedelta(hours=timings.replay_hours):
        return Verdict(
            Kind.RESUME, "Sync.so may have taken it: asked again with the same key, which buys nothing twice"
        )
    return Verdict(
        Kind.RESUME, "Sync.so may have taken it: it is looked for in the vendor's list, and adopted from there"
    )


def _lip_sync_stored(standing: Standing, _: Truth, __: Timings) -> Verdict:
    if not standing.job.request["effects"]:
        return Verdict(Kind.COMPLETE, "the lip-sync result is stored, and there are no areas")
    submission = standing.last(Stage.TEXT_REMOVAL)
    if submission is None or submission.state not in _IN_DOUBT:
        return Verdict(Kind.RESUME, "the lip-sync result is stored, and GhostCut has surely not been given it")
    if submission.candidate_id or submission.vendor_batch_id:
        return Verdict(Kind.RESUME, "GhostCut may have taken it, and a work was named: it is adopted if it is ours")
    return Verdict(
        Kind.RESUME,
        "GhostCut may have taken it: it is looked for in the vendor's list, and sent again if it is not there",
    )


def _text_removal_stored(_: Standing, __: Truth, ___: Timings) -> Verdict:
    return Verdict(Kind.COMPLETE, "the final video is stored")


def _submitted(standing: Standing, truth: Truth, timings: Timings) -> Verdict:
    """The vendor has it, or has ended it before the last run died."""
    stage = Stage.LIP_SYNC if standing.job.point is Point.LIP_SYNC_SUBMITTED else Stage.TEXT_REMOVAL
    submission = standing.last(stage)
    if submission is None or submission.state == SubmissionState.WRITTEN_OFF:
        return Verdict(Kind.LEAVE, "an operator's decision about it is being carried out")
    if submission.state in (SubmissionState.FAILED, SubmissionState.REFUSED):
        return Verdict(Kind.FAIL, submission.error or "the vendor gave no reason")
    if submission.state == SubmissionState.DONE or truth.says is Says.DONE:
        return _done(standing, stage)
    return _by_answer(standing, submission, truth, timings)


def _done(standing: Standing, stage: Stage) -> Verdict:
    if stage is Stage.LIP_SYNC and standing.job.request["effects"]:
        return Verdict(Kind.RESUME, "Sync.so is done; a run fetches the result, and text removal follows")
    return Verdict(Kind.COMPLETE, f"{VENDORS[stage]} is done; a run fetches the result")


def _by_answer(standing: Standing, submission: Submission, truth: Truth, timings: Timings) -> Verdict:
    vendor = VENDORS[Stage(submission.stage)]
    overdue = standing.watched(submission) > timedelta(hours=timings.poll_give_up_hours)
    match truth.says:
        case Says.FAILED:
            kind, reason = Kind.FAIL, truth.text
        case Says.LOCKED:
            kind, reason = Kind.PARK, truth.text
        case Says.UNKNOWN if overdue:  # before, it may be too new for the vendor's lists
            kind, reason = Kind.PARK, unknown_id(vendor, submission.vendor_id)
        case Says.UNKNOWN:
            kind, reason = Kind.LEAVE, f"{vendor} does not show {submission.vendor_id} yet"
        case Says.RUNNING if overdue:
            kind, reason = Kind.PARK, not_finished(vendor, submission.vendor_id, timings.poll_give_up_hours)
        case Says.RUNNING:
            kind, reason = Kind.RESUME, f"{vendor} is still at work, and no run waits for it"
        case _:
            kind, reason = Kind.LEAVE, truth.text
    return Verdict(kind, reason)


def _lecture(_: Standing, __: Truth, ___: Timings) -> Verdict:
    return Verdict(Kind.RESUME, "its run died; what it had stored of the lecture is kept")


def _documents_stored(_: Standing, __: Truth, ___: Timings) -> Verdict:
    return Verdict(Kind.COMPLETE, "the PDF and the subtitles are stored")


def _completed(_: Standing, __: Truth, ___: Timings) -> Verdict:
    return Verdict(Kind.LEAVE, "it is completed")


_RULES: Final[dict[Point, Callable[[Standing, Truth, Timings], Verdict]]] = {
    Point.OPENED: _opened,
    Point.UPLOADED: _uploaded,
    Point.LIP_SYNC_SUBMITTED: _submitted,
    Point.LIP_SYNC_STORED: _lip_sync_stored,
    Point.TEXT_REMOVAL_SUBMITTED: _submitted,
    Point.TEXT_REMOVAL_STORED: _text_removal_stored,
    Point.FETCHED: _lecture,
    Point.TRANSCRIBED: _lecture,
    Point.SLIDES_FOUND: _lecture,
    Point.UNDERSTOOD: _lecture,
    Point.DOCUMENTS_STORED: _documents_stored,
    Point.COMPLETED: _completed,
}


# ---- why a job is parked: sentences for operators ----------------------------------------------------------


def lost_answer(vendor: str, why: str) -> str:
    """A paid call was sent, and nothing tells what became of it."""
    return (
        f"it is not known whether {vendor} took the submission ({why}). "
        f"Look for the job id in the {vendor} dashboard before you submit again: each submission costs."
    )


def not_finished(vendor: str, vendor_id: str | None, hours: float) -> str:
    """A vendor has been at work for longer than anybody waits."""
    return f"{vendor} has not finished {vendor_id} within {hours:g} hours; ask the vendor about it"


def unknown_id(vendor: str, vendor_id: str | None) -> str:
    """A vendor does not know what it had accepted."""
    return (
        f"{vendor} does not know {vendor_id} any more; ask the vendor about it, "
        "then decide `resubmit` (which costs again) or `give up`"
    )


def too_many_runs(runs: int, point: Point) -> str:
    """The runs of a job do not survive it."""
    return (
        f"{runs} runs in a row ended without getting any further than {point}; "
        "look at their logs, mend what is wrong, then decide `retry`"
    )
