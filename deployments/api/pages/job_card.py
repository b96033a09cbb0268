"""A job as the pages show it: status, events, prices. Built from the API's schemas, so that both agree."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from pydantic import ValidationError

from deployments.api.auth import Principal
from deployments.api.schemas.jobs import EventEntry, JobSummary, StageCost
from deployments.api.views.event_texts import Tone, event_tone
from videojobs.db import JobEventKind, VideoJob
from videojobs.db.tokens import Scope
from videojobs.pipeline.costs import Amount, format_points
from videojobs.pipeline.facts import MissingFact
from videojobs.pipeline.masks import resolve_timeline
from videojobs.states import UNFINISHED_STATUSES, JobKind, Stage, Status

PARKED: Final = "parked"  # on the pages a status of its own; in the row it is `processing` with a reason
STATUS_LABELS: Final = {
    Status.PENDING.value: "Waiting",
    Status.PROCESSING.value: "In progress",
    PARKED: "Needs a decision",
    Status.COMPLETED.value: "Finished",
    Status.FAILED.value: "Failed",
    Status.CANCELLED.value: "Cancelled",
}


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """The signed-in user, as every page shows it."""

    user_id: str
    is_admin: bool
    can_submit: bool

    @classmethod
    def from_principal(cls, principal: Principal) -> "CurrentUser":
        return cls(principal.user_id, principal.is_admin, principal.token.allows(Scope.SUBMIT))


@dataclass(frozen=True, slots=True)
class JobCard:
    """A job in a list."""

    id: str
    user_id: str
    name: str
    tone: str  # the status, or `parked`
    state: str  # the label
    headline: str
    progress: int  # percent
    is_active: bool  # it may still change
    is_lecture: bool
    created_at: datetime
    completed_at: datetime | None

    @classmethod
    def from_summary(cls, job: JobSummary) -> "JobCard":
        tone = PARKED if is_parked(job) else job.status.value
        return cls(
            id=job.job_id,
            user_id=job.user_id,
            name=job.display_name or f"Job {job.job_id[:8]}",
            tone=tone,
            state=STATUS_LABELS[tone],
            headline=job.error or job.message,
            progress=job.progress,
            is_active=job.status in UNFINISHED_STATUSES,
            is_lecture=job.kind is JobKind.LECTURE,
            created_at=job.created_at,
            completed_at=job.completed_at,
        )


def is_parked(job: JobSummary) -> bool:
    """Whether the job needs an operator."""
    return job.parked_reason is not None and job.status is Status.PROCESSING


# ---- events ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event."""

    at: datetime
    text: str
    tone: Tone


def event_lines(timeline: Iterable[EventEntry]) -> list[EventLine]:
    """Oldest first, without events that only raise the progress."""
    found: list[EventLine] = []
    for event in timeline:
        if event.kind != JobEventKind.PROGRESS and (not found or found[-1].text != event.message):
            found.append(EventLine(event.at, event.message, event_tone(event.kind)))
    return found


# ---- costs -----------------------------------------------------------------------------------------------

_STAGE_LABELS: Final = {Stage.LIP_SYNC: "Lip-sync", Stage.TEXT_REMOVAL: "Text removal"}


@dataclass(frozen=True, slots=True)
class PriceRow:
    """The price of one step, or the total."""

    step: str
    expected: str
    paid: str


def price_rows(costs: Sequence[StageCost]) -> list[PriceRow]:
    """Expected prices and, where the vendor reports it, what was paid."""
    expected = [Amount(cost.expected_usd or Decimal(0), cost.expected_points or Decimal(0)) for cost in costs]
    rows = [
        PriceRow(
            _STAGE_LABELS[Stage(cost.stage)],
            str(amount),
            "" if cost.paid_points is None else format_points(cost.paid_points),
        )
        for cost, amount in zip(costs, expected, strict=True)
    ]
    return [*rows, PriceRow("Together", str(sum(expected, start=Amount())), "")] if len(rows) > 1 else rows


# ---- videos ------------------------------------------------------------------------------------------------

PieceTimes = tuple[float, float, float, float]  # seconds: start and end in the source, start and end in the result


def timeline_pieces(job: VideoJob) -> list[PieceTimes]:
    """Which part of the source appears when in the result; empty if that is unknown."""
    try:
        decision = resolve_timeline(job.video_request, job.facts)
    except (ValidationError, MissingFact):  # a rejected request, or not measured yet
        return []
    return [
        (piece.source_start, piece.source_end, piece.result_start, piece.result_end)
        for piece in decision.timelines[0].pieces
    ]
