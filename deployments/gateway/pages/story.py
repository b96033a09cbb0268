"""What happened to a job, in the words of the person who waits for it: lines from its events.

Many events are news to operators only; those leave no line. A line says nothing that is secret, and names no run.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from videojobs.ledger import JobEvent
from videojobs.ledger.tables import Json
from videojobs.recovery import VENDORS
from videojobs.states import Point, Stage

Tone = Literal["plain", "good", "wait", "bad"]
STEPS: Final = {Stage.LIP_SYNC: "lip-sync", Stage.TEXT_REMOVAL: "text removal"}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened."""

    at: datetime
    text: str
    tone: Tone = "plain"


def story(events: Iterable[JobEvent]) -> list[Line]:
    """The lines, oldest first. What is the same as the line before is left out."""
    lines: list[Line] = []
    for event in events:
        told = _told(event)
        if told is not None and (not lines or lines[-1].text != told[1]):
            lines.append(Line(event.at, told[1], told[0]))
    return lines


def _told(event: JobEvent) -> tuple[Tone, str] | None:
    detail = event.detail or {}
    if "submission" in detail:
        tell = _OF_SUBMISSION.get(event.kind)
        return tell(_Sent.of(detail)) if tell else None
    if event.kind == "advanced":
        return _ADVANCED.get(Point(event.point))
    if event.kind == "progress":
        return "plain", f"{event.message.removesuffix('...')}."
    tell_job = _OF_JOB.get(event.kind)
    return tell_job(detail) if tell_job else None


_ADVANCED: Final[Mapping[Point, tuple[Tone, str]]] = {
    Point.UPLOADED: ("good", "Every file was checked, frame by frame, and stored."),
    Point.LIP_SYNC_STORED: ("good", "The lip-sync result was checked and stored."),
    Point.TEXT_REMOVAL_STORED: ("good", "The result without the text was checked and stored."),
}


@dataclass(frozen=True, slots=True)
class _Sent:
    """What an event says of a paid call."""

    step: str
    vendor: str
    attempt: int
    error: str

    @classmethod
    def of(cls, detail: Json) -> "_Sent":
        stage = Stage(detail["stage"])
        return cls(STEPS[stage], VENDORS[stage], detail.get("attempt", 1), detail.get("error") or "no reason was given")


_OF_SUBMISSION: Final[Mapping[str, Callable[[_Sent], tuple[Tone, str]]]] = {
    "intended": lambda it: (
        "plain",
        f"The {it.step} is sent to {it.vendor}" + (f" (order {it.attempt})." if it.attempt > 1 else "."),
    ),
    "waiting": lambda it: ("wait", f"{it.vendor} asks to wait. The {it.step} is sent again soon; nothing was bought."),
    "unknown": lambda it: ("wait", f"{it.vendor}'s answer got lost: it is looked up whether it took the {it.step}."),
    "heard_of": lambda it: ("plain", f"{it.vendor} called back about the {it.step}; it is asked about that."),
    "accepted": lambda it: ("good", f"{it.vendor} took the {it.step} and is at work."),
    "accepted_too_late": lambda it: ("wait", f"{it.vendor} took a {it.step} that an operator had written off before."),
    "done": lambda it: ("good", f"{it.vendor} finished the {it.step}."),
    "refused": lambda it: ("bad", f"{it.vendor} did not take the {it.step}; nothing was bought: {it.error}"),
    "failed": lambda it: ("bad", f"{it.vendor} could not do the {it.step}: {it.error}"),
    "written_off": lambda it: ("wait", f"An operator wrote the {it.step} at {it.vendor} off; it may be bought again."),
}


def _claimed(detail: Json) -> tuple[Tone, str]:
    if "left_behind_by" in detail:
        return "wait", "A worker had stopped in the middle; another one goes on where it was."
    return "plain", "A worker took the job up."


def _reopened(detail: Json) -> tuple[Tone, str]:
    decision = detail.get("decision")
    return "plain", f"The job goes on (decided: {decision})." if isinstance(decision, str) else "The job goes on."


_OF_JOB: Final[Mapping[str, Callable[[Json], tuple[Tone, str]]]] = {
    "opened": lambda _: ("plain", "The job came in."),
    "refused": lambda _: ("bad", "The request was refused; nothing was bought."),
    "claimed": _claimed,
    "estimated": lambda _: ("plain", "The expected cost was worked out, before anything is bought."),
    "interrupted": lambda _: ("wait", "The work was interrupted. It goes on by itself."),
    "cleaned_up": lambda _: ("plain", "The job stood still, and was looked after."),
    "parked": lambda _: ("wait", "The job stopped: an operator has to decide."),
    "reopened": _reopened,
    "given_up": lambda _: ("wait", "An operator gave the job up."),
    "cancelled": lambda _: ("wait", "The job was cancelled."),
    "failed": lambda _: ("bad", "The job failed."),
    "completed": lambda _: ("good", "The finished video is ready."),
}
