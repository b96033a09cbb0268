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


class Work(StrEnum):
    """What a job is: which pipeline works on it."""

    PRO_VIDEO = "pro_video"  # lip-sync, and text removal where there are areas
    LECTURE = "lecture"  # subtitles and a PDF of the slides; buys nothing


class Stage(StrEnum):
    """The paid steps. At most one live submission per job and stage."""

    LIP_SYNC = "lip_sync"
    TEXT_REMOVAL = "text_removal"


class Point(StrEnum):
    """Recovery points, in the order in which a job passes them. Each kind of work has its own between the two ends."""

    OPENED = "opened"  # the request is in the ledger
    UPLOADED = "uploaded"  # inputs are validated and stored
    LIP_SYNC_SUBMITTED = "lip_sync_submitted"  # Sync.so has the generation
    LIP_SYNC_STORED = "lip_sync_stored"  # its result is in our storage, checked
    TEXT_REMOVAL_SUBMITTED = "text_removal_submitted"  # GhostCut has the work
    TEXT_REMOVAL_STORED = "text_removal_stored"  # its result is in our storage, checked
    FETCHED = "fetched"  # the lecture is validated and stored
    TRANSCRIBED = "transcribed"  # what is said is stored, the slides are still looked for
    SLIDES_FOUND = "slides_found"  # the slides are stored, the speech is still recognised
    UNDERSTOOD = "understood"  # both are stored
    DOCUMENTS_STORED = "documents_stored"  # the PDF, the subtitles and the slides in one file
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a job looks like from the moment it reaches a point until it leaves it."""

    progress: int  # percent on arrival
    ceiling: int  # percent that the wait for the next point may rise to
    message: str
    after: tuple[Point, ...]  # where a job may go from here


_COMPLETED: Final = {
    Point.LIP_SYNC_STORED: "Pro video processing completed (lip-sync only)",
    Point.TEXT_REMOVAL_STORED: "Pro video processing completed (lip-sync + text inpainting)",
    Point.DOCUMENTS_STORED: "Lecture processing completed",
}

RULES: Final[dict[Point, Rule]] = {
    Point.OPENED: Rule(0, 10, "Uploading files...", (Point.UPLOADED, Point.FETCHED)),
    Point.UPLOADED: Rule(10, 10, "Lip-sync processing...", (Point.LIP_SYNC_SUBMITTED,)),
    Point.LIP_SYNC_SUBMITTED: Rule(10, 50, "Lip-sync processing...", (Point.LIP_SYNC_STORED,)),
    Point.LIP_SYNC_STORED: Rule(60, 60, "Lip-sync completed", (Point.TEXT_REMOVAL_SUBMITTED, Point.COMPLETED)),
    Point.TEXT_REMOVAL_SUBMITTED: Rule(70, 95, "Text inpainting in progress...", (Point.TEXT_REMOVAL_STORED,)),
    Point.TEXT_REMOVAL_STORED: Rule(95, 99, "Text inpainting in progress...", (Point.COMPLETED,)),
    Point.FETCHED: Rule(10, 80, "Recognising speech and finding slides...", (Point.TRANSCRIBED, Point.SLIDES_FOUND)),
    Point.TRANSCRIBED: Rule(10, 80, "Speech recognised, finding slides...", (Point.UNDERSTOOD,)),
    Point.SLIDES_FOUND: Rule(10, 80, "Slides found, recognising speech...", (Point.UNDERSTOOD,)),
    Point.UNDERSTOOD: Rule(80, 95, "Writing the PDF and the subtitles...", (Point.DOCUMENTS_STORED,)),
    Point.DOCUMENTS_STORED: Rule(95, 99, "Publishing...", (Point.COMPLETED,)),
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

_SIDE_BY_SIDE: Final = (Point.TRANSCRIBED, Point.SLIDES_FOUND)


def _onward(at: Point) -> frozenset[Point]:
    """Where a job may still come to, and where it is."""
    return frozenset({at}).union(*(_onward(point) for point in RULES[at].after))


_ONWARD: Final = {point: _onward(point) for point in Point}


def reached(at: Point, wanted: Point) -> bool:
    """Whether a job that stands at `at` has already passed `wanted`."""
    return at in _ONWARD[wanted]


def arrival(at: Point, to: Point) -> Point:
    """Where a job arrives that stands at `at` and reaches `to`: of two steps side by side, the second one ends both."""
    return Point.UNDERSTOOD if at is not to and {at, to} == set(_SIDE_BY_SIDE) else to


def allowed(at: Point, to: Point) -> bool:
    """Whether the transition is legal."""
    return to in RULES[at].after


def submitted_for(at: Point) -> PaidStep | None:
    """The paid step that a job which stands at `at` waits for; None where it waits for none."""
    return _PAID_STEPS.get(at)


def completed_message(before: Point) -> str:
    """The last message of a job (M4), by its last point before the end."""
    return _COMPLETED[before]


def progress_within(at: Point, share: float) -> int:
    """Percent for a job that waits at `at`, `share` (0..1) of the way to its next point."""
    rule = RULES[at]
    return rule.progress + round((rule.ceiling - rule.progress) * min(1.0, max(0.0, share)))
