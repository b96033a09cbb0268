"""Where a job stands: every recovery point, its legal transitions, its progress and its message.

A job has three things that do not overlap:

* its **recovery point**: how far the work got. Only this says what to do next, and any process can go on from it;
* its **status**, the operators' word for how it is doing. It is not read to decide anything about the work;
* whether it is **parked**: an operator has to decide before anybody goes on.

So a job that failed in text removal still says that its lip-sync result is stored, and can go on from there.
Progress and messages are the owner's (requirements M4).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """What operators and clients see in `video_jobs.status`."""

    PENDING = "pending"  # opened, nobody has taken it up yet
    PROCESSING = "processing"  # taken up; a parked job stays here, with the reason as its message
    COMPLETED = "completed"  # the final video is stored
    FAILED = "failed"  # `error_message` says why
    CANCELLED = "cancelled"  # somebody stopped it; a later run may go on with it


UNFINISHED: Final = (Status.PENDING, Status.PROCESSING)
ENDED: Final = tuple(status for status in Status if status not in UNFINISHED)


class Stage(StrEnum):
    """The paid steps. At most one live submission per job and stage."""

    LIP_SYNC = "lip_sync"
    TEXT_REMOVAL = "text_removal"


class Point(StrEnum):
    """Recovery points, in the order in which a job passes them."""

    OPENED = "opened"  # the request is in the ledger
    UPLOADED = "uploaded"  # inputs are validated and stored
    LIP_SYNC_SUBMITTED = "lip_sync_submitted"  # Sync.so has the generation
    LIP_SYNC_STORED = "lip_sync_stored"  # its result is in our storage, checked
    TEXT_REMOVAL_SUBMITTED = "text_removal_submitted"  # GhostCut has the work
    TEXT_REMOVAL_STORED = "text_removal_stored"  # its result is in our storage, checked
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a job looks like from the moment it reaches a point until it leaves it."""

    progress: int  # percent on arrival
    ceiling: int  # percent that the wait for the next point may rise to
    message: str
    after: tuple[Point, ...]  # where a job may go from here


_LIP_SYNC_ONLY: Final = "Pro video processing completed (lip-sync only)"
_BOTH: Final = "Pro video processing completed (lip-sync + text inpainting)"

RULES: Final[dict[Point, Rule]] = {
    Point.OPENED: Rule(0, 10, "Uploading files...", (Point.UPLOADED,)),
    Point.UPLOADED: Rule(10, 10, "Lip-sync processing...", (Point.LIP_SYNC_SUBMITTED,)),
    Point.LIP_SYNC_SUBMITTED: Rule(10, 50, "Lip-sync processing...", (Point.LIP_SYNC_STORED,)),
    Point.LIP_SYNC_STORED: Rule(60, 60, "Lip-sync completed", (Point.TEXT_REMOVAL_SUBMITTED, Point.COMPLETED)),
    Point.TEXT_REMOVAL_SUBMITTED: Rule(70, 95, "Text inpainting in progress...", (Point.TEXT_REMOVAL_STORED,)),
    Point.TEXT_REMOVAL_STORED: Rule(95, 99, "Text inpainting in progress...", (Point.COMPLETED,)),
    Point.COMPLETED: Rule(100, 100, "", ()),
}


@dataclass(frozen=True, slots=True)
class PaidStep:
    """What was bought on the way to a point, and where a job stood before it."""

    stage: Stage
    before: Point


_PAID_STEPS: Final = {
    Point.LIP_SYNC_SUBMITTED: PaidStep(Stage.LIP_SYNC, Point.UPLOADED),
    Point.TEXT_REMOVAL_SUBMITTED: PaidStep(Stage.TEXT_REMOVAL, Point.LIP_SYNC_STORED),
}

# News between two points: progress and message change while the point stays.
LIP_SYNC_DONE: Final = (50, "Lip-sync completed")  # the vendor is done, its result is being stored
TEXT_REMOVAL_STARTING: Final = (60, "Starting text inpainting...")  # on the way to GhostCut

ORDER: Final = tuple(Point)


def reached(at: Point, wanted: Point) -> bool:
    """Whether a job that stands at `at` has already passed `wanted`."""
    return ORDER.index(at) >= ORDER.index(wanted)


def allowed(at: Point, to: Point) -> bool:
    """Whether the transition is legal."""
    return to in RULES[at].after


def submitted_for(at: Point) -> PaidStep | None:
    """The paid step that a job which stands at `at` waits for; None where it waits for none."""
    return _PAID_STEPS.get(at)


def completed_message(*, text_removed: bool) -> str:
    """The last message of a job (M4)."""
    return _BOTH if text_removed else _LIP_SYNC_ONLY


def progress_within(at: Point, share: float) -> int:
    """Percent for a job that waits at `at`, `share` (0..1) of the way to its next point."""
    rule = RULES[at]
    return rule.progress + round((rule.ceiling - rule.progress) * min(1.0, max(0.0, share)))
