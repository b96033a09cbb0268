"""What the pages show of a job: its state in a word, its news, its price, and what there is to do about it.

Made of what the API answers, so that both say the same.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from pydantic import ValidationError

from deployments.gateway.access import Caller
from deployments.gateway.shapes import Happening, JobSummary, StageCost
from videojobs.areas import decision_for
from videojobs.costs import Amount, in_points
from videojobs.ledger import VideoJob
from videojobs.ledger.tokens import Scope
from videojobs.request import JobRequest
from videojobs.states import UNFINISHED, Stage, Status

Tone = Literal["plain", "good", "wait", "bad"]

PARKED: Final = "parked"  # to people a state of its own; in the row it is `processing` with a reason
STATES: Final = {
    Status.PENDING.value: "Waiting",
    Status.PROCESSING.value: "In progress",
    PARKED: "Needs a decision",
    Status.COMPLETED.value: "Finished",
    Status.FAILED.value: "Failed",
    Status.CANCELLED.value: "Cancelled",
}


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
    tone: str  # the status, or `parked`
    state: str  # in a word or two
    headline: str
    progress: int  # percent
    is_active: bool  # it may change by itself
    created_at: datetime
    completed_at: datetime | None

    @classmethod
    def of(cls, job: JobSummary) -> "Sight":
        tone = PARKED if _is_parked(job) else job.status.value
        return cls(
            id=job.job_id,
            user_id=job.user_id,
            name=job.display_name or f"Job {job.job_id[:8]}",
            tone=tone,
            state=STATES[tone],
            headline=job.error or job.message,
            progress=job.progress,
            is_active=job.status in UNFINISHED,
            created_at=job.created_at,
            completed_at=job.completed_at,
        )


def _is_parked(job: JobSummary) -> bool:
    return job.parked_reason is not None and job.status is Status.PROCESSING


# ---- what happened -------------------------------------------------------------------------------------------

_TONES: Final[dict[str, Tone]] = {
    **dict.fromkeys(("advanced", "accepted", "done", "completed"), "good"),
    **dict.fromkeys(("waiting", "unknown", "interrupted", "parked", "written_off", "cancelled", "given_up"), "wait"),
    **dict.fromkeys(("refused", "failed"), "bad"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    at: datetime
    text: str
    tone: Tone


def lines(timeline: Iterable[Happening]) -> list[Line]:
    """Oldest first; news that only raise the progress are left out."""
    found: list[Line] = []
    for event in timeline:
        if event.kind != "progress" and (not found or found[-1].text != event.message):
            found.append(Line(event.at, event.message, _TONES.get(event.kind, "plain")))
    return found


# ---- what to do ----------------------------------------------------------------------------------------------

_TEXT_REMOVAL_FAILED: Final = "Text inpainting failed: "  # requirements M7
_REFUSED: Final = "The request has "  # how `videojobs.errors.InvalidRequest` begins
_NEXT: Final = re.compile(r"; (?=[a-z_]+(?:\[\d+])?(?:\.\w+)*: )")  # and where its next problem begins
_DECIDING: Final = (
    "adopt takes what the vendor has, by the id in its dashboard; retry goes on once the cause is mended; "
    "resubmit buys the step again; give up ends the job with what it has."
)


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody has to know, and may do."""

    tone: Tone
    title: str
    lines: Sequence[str]
    items: Sequence[str] = field(default=())


def note_on(job: JobSummary, *, for_admin: bool) -> Note | None:
    """Why it stands still or has ended, and what to do; nothing for a job that is on its way or finished."""
    if _is_parked(job):
        return _parked(job, for_admin=for_admin)
    if job.status is Status.FAILED:
        return _failed(job.error or "no reason was given")
    if job.status is Status.CANCELLED:
        return Note("wait", "The job was cancelled", [job.error or "", "Try again goes on where it was stopped."])
    return None


def _parked(job: JobSummary, *, for_admin: bool) -> Note:
    why = _sentence(job.parked_reason or "")
    calm = "Nothing is bought meanwhile, and nothing that was bought is lost."
    if not for_admin:
        return Note("wait", "An operator has to decide", [why, f"{calm} You need not do anything."])
    todo = f"What to do: in Prefect, run the deployment decide with the job id {job.job_id}: {_DECIDING}"
    return Note("wait", "An operator has to decide", [why, calm, todo])


def _failed(error: str) -> Note:
    if error.startswith(_REFUSED):
        head, _, problems = error.partition(": ")
        title = f"{head.removeprefix(_REFUSED).capitalize()} with what was sent"
        return Note("bad", title, ["Nothing was bought. Mend this, and send a new job."], _NEXT.split(problems))
    if error.startswith(_TEXT_REMOVAL_FAILED):
        why = _sentence(error.removeprefix(_TEXT_REMOVAL_FAILED))
        kept = "The lip-sync result is kept: you can download it. Try again repeats the text removal only."
        return Note("bad", "The text could not be removed", [why, kept])
    todo = "Try again goes on from the step that failed. What is stored already is not bought again."
    return Note("bad", "The job failed", [_sentence(error), todo])


def _sentence(text: str) -> str:
    """With a capital at the start and a stop at the end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


# ---- what it costs -------------------------------------------------------------------------------------------

_STEPS: Final = {Stage.LIP_SYNC: "Lip-sync", Stage.TEXT_REMOVAL: "Text removal"}


@dataclass(frozen=True, slots=True)
class Price:
    """One step, or all of them together."""

    step: str
    expected: str
    paid: str


def prices(costs: Sequence[StageCost]) -> list[Price]:
    """Expected and, as far as the vendor tells it, really paid."""
    expected = [Amount(cost.expected_usd or Decimal(0), cost.expected_points or Decimal(0)) for cost in costs]
    rows = [
        Price(_STEPS[Stage(cost.stage)], str(amount), "" if cost.paid_points is None else in_points(cost.paid_points))
        for cost, amount in zip(costs, expected, strict=True)
    ]
    return [*rows, Price("Together", str(sum(expected, start=Amount())), "")] if len(rows) > 1 else rows


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
