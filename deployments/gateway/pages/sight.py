"""What the pages show of a job: its state in a word, its news, its price, and what there is to do about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from pydantic import ValidationError

from deployments.gateway.access import Caller
from deployments.gateway.pages.story import STEPS, Tone
from videojobs.areas import decision_for
from videojobs.costs import Estimate, in_points
from videojobs.ledger import Submission, VideoJob
from videojobs.ledger.tokens import Scope
from videojobs.request import JobRequest
from videojobs.states import Stage, Status

PARKED: Final = "parked"  # to people a state of its own; in the row it is `processing` with a reason
STATES: Final = {
    Status.PENDING.value: "Waiting",
    Status.PROCESSING.value: "In progress",
    PARKED: "Needs a decision",
    Status.COMPLETED.value: "Finished",
    Status.FAILED.value: "Failed",
    Status.CANCELLED.value: "Cancelled",
}
_TEXT_REMOVAL_FAILED: Final = "Text inpainting failed: "
_REFUSED: Final = "The request has "  # how `videojobs.errors.InvalidRequest` begins
_NEXT: Final = re.compile(r"; (?=[a-z_]+(?:\[\d+])?(?:\.\w+)*: )")  # and where its next problem begins


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in, as the frame of every page shows it."""

    user_id: str
    is_admin: bool
    may_submit: bool

    @classmethod
    def of(cls, caller: Caller) -> "Visitor":
        return cls(caller.user_id, caller.is_admin, caller.token.allows(Scope.SUBMIT))


@dataclass(frozen=True, slots=True)
class Sight:
    """A job as lists show it."""

    id: str
    user_id: str
    name: str
    status: str
    tone: str  # the status, or `parked`
    state: str  # in a word or two
    headline: str
    progress: int  # percent
    is_active: bool  # it may change by itself
    created_at: datetime
    completed_at: datetime | None

    @classmethod
    def of(cls, job: VideoJob) -> "Sight":
        parked = job.parked_reason is not None and job.status == Status.PROCESSING
        tone = PARKED if parked else job.status
        return cls(
            id=job.id,
            user_id=job.user_id,
            name=job.display_name or f"Job {job.id[:8]}",
            status=job.status,
            tone=tone,
            state=STATES[tone],
            headline=_headline(job),
            progress=job.progress_percentage,
            is_active=job.status in (Status.PENDING, Status.PROCESSING),
            created_at=job.created_at,
            completed_at=job.completed_at,
        )


def _headline(job: VideoJob) -> str:
    if job.status == Status.FAILED:
        return job.error_message or "It failed."
    return job.progress_message


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody has to know, and may do."""

    tone: Tone
    title: str
    lines: Sequence[str]
    items: Sequence[str] = field(default=())


def notes(job: VideoJob, *, for_admin: bool) -> list[Note]:
    """Why it stands still or has ended, and what to do; nothing for a job that is on its way or finished."""
    if job.parked_reason is not None and job.status == Status.PROCESSING:
        return [_parked(job, job.parked_reason, for_admin=for_admin)]
    if job.status == Status.FAILED:
        return [_failed(job.error_message or "no reason was given")]
    if job.status == Status.CANCELLED:
        return [Note("wait", "It was cancelled", [job.error_message or "", "Try again goes on where it was stopped."])]
    return []


def _parked(job: VideoJob, reason: str, *, for_admin: bool) -> Note:
    calm = "Nothing is bought meanwhile, and nothing that was bought is lost."
    if not for_admin:
        return Note("wait", "An operator has to decide", [f"{_sentence(reason)} {calm}", "You need not do anything."])
    todo = [
        f"What to do: in Prefect, run the deployment decide with the job id {job.id}.",
        "adopt takes what the vendor has, by the id in its dashboard; retry goes on once the cause is mended; "
        "resubmit buys the step again; give up ends the job with what it has.",
    ]
    return Note("wait", "An operator has to decide", [_sentence(reason), calm, *todo])


def _failed(error: str) -> Note:
    if error.startswith(_REFUSED):
        head, _, list_of = error.partition(": ")
        todo = "Nothing was bought. Mend this and send a new job:"
        return Note("bad", f"{head.removeprefix(_REFUSED).capitalize()} with this job", [todo], _NEXT.split(list_of))
    if error.startswith(_TEXT_REMOVAL_FAILED):
        why = _sentence(error.removeprefix(_TEXT_REMOVAL_FAILED))
        kept = "The lip-sync result is kept: you can download it. Trying again repeats the text removal only."
        return Note("bad", "The text could not be removed", [why, kept])
    todo = "Try again goes on from the step that failed. What is stored already is not bought again."
    return Note("bad", "The job failed", [_sentence(error), todo])


def _sentence(text: str) -> str:
    """With a capital at the start and a stop at the end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


# ---- what it costs -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Price:
    """One step, or all of them together."""

    step: str
    expected: str
    paid: str


def prices(job: VideoJob, submissions: Sequence[Submission]) -> list[Price]:
    """Expected and really paid; nothing while no price is known."""
    if job.estimate is None:
        return []
    estimate = Estimate.model_validate(job.estimate)
    by_stage = [
        Price(
            STEPS[stage].capitalize(), str(cost.amount), _paid([row for row in submissions if row.stage == stage], stage)
        )
        for stage, cost in estimate.root.items()
    ]
    return [*by_stage, Price("Together", str(estimate.total), "")] if len(by_stage) > 1 else by_stage


def _paid(submissions: Sequence[Submission], stage: Stage) -> str:
    told = [row.paid_points for row in submissions if row.paid_points is not None]
    if told:
        return in_points(sum(told, start=Decimal(0)))
    taken = [row for row in submissions if row.vendor_id is not None]
    if not taken:
        return "nothing yet"
    return "as expected" if stage is Stage.LIP_SYNC else "not told yet"


# ---- the videos ----------------------------------------------------------------------------------------------

Piece = tuple[float, float, float, float]  # seconds: start and end in the source, start and end in the result


def pieces(job: VideoJob) -> list[Piece]:
    """Which part of the source is seen when in the result; empty where that is not known."""
    try:
        decision = decision_for(JobRequest.model_validate(job.request), job.facts)
    except (ValidationError, KeyError):  # refused at the door, or not that far
        return []
    return [
        (piece.source_start, piece.source_end, piece.result_start, piece.result_end)
        for piece in decision.timelines[0].pieces
    ]
