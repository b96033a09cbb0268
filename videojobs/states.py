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


UNFINISHED_STATUSES: Final = (Status.PENDING, Status.PROCESSING)
ENDED_STATUSES: Final = tuple(status for status in Status if status not in UNFINISHED_STATUSES)


class JobKind(StrEnum):
    """What a job is: which pipeline works on it."""

    PRO_VIDEO = "pro_video"  # lip-sync, and text removal where there are areas
    LECTURE = "lecture"  # subtitles and a PDF of the slides; buys nothing


class Stage(StrEnum):
    """The paid steps. At most one live submission per job and stage."""

    LIP_SYNC = "lip_sync"
    TEXT_REMOVAL = "text_removal"


class RecoveryPoint(StrEnum):
    """Recovery points, in the order in which a job passes them. Each kind of work has its own between the two ends."""

    OPENED = "opened"  # the request is in the ledger
    UPLOADED = "uploaded"  # inputs are validated and stored
    LIP_SYNC_SUBMITTED = "lip_sync_submitted"  # its vendor has accepted it
    LIP_SYNC_STORED = "lip_sync_stored"  # its result is in our storage, checked
    TEXT_REMOVAL_SUBMITTED = "text_removal_submitted"  # its vendor has accepted it
    TEXT_REMOVAL_STORED = "text_removal_stored"  # its result is in our storage, checked
    FETCHED = "fetched"  # the lecture is validated and stored
    TRANSCRIBED = "transcribed"  # what is said is stored, the slides are still looked for
    SLIDES_FOUND = "slides_found"  # the slides are stored, the speech is still recognised
    ANALYZED = "understood"  # both are stored
    DOCUMENTS_STORED = "documents_stored"  # the PDF, the subtitles and the slides in one file
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class PointSpec:
    """What a job looks like from the moment it reaches a point until it leaves it."""

    progress: int  # percent on arrival
    max_progress: int  # percent that the wait for the next point may rise to
    message: str
    next_points: tuple[RecoveryPoint, ...]  # where a job may go from here


_COMPLETED_MESSAGES: Final = {
    RecoveryPoint.LIP_SYNC_STORED: "Pro video processing completed (lip-sync only)",
    RecoveryPoint.TEXT_REMOVAL_STORED: "Pro video processing completed (lip-sync + text inpainting)",
    RecoveryPoint.DOCUMENTS_STORED: "Lecture processing completed",
}

POINT_SPECS: Final[dict[RecoveryPoint, PointSpec]] = {
    RecoveryPoint.OPENED: PointSpec(0, 10, "Uploading files...", (RecoveryPoint.UPLOADED, RecoveryPoint.FETCHED)),
    RecoveryPoint.UPLOADED: PointSpec(10, 10, "Lip-sync processing...", (RecoveryPoint.LIP_SYNC_SUBMITTED,)),
    RecoveryPoint.LIP_SYNC_SUBMITTED: PointSpec(10, 50, "Lip-sync processing...", (RecoveryPoint.LIP_SYNC_STORED,)),
    RecoveryPoint.LIP_SYNC_STORED: PointSpec(
        60, 60, "Lip-sync completed", (RecoveryPoint.TEXT_REMOVAL_SUBMITTED, RecoveryPoint.COMPLETED)
    ),
    RecoveryPoint.TEXT_REMOVAL_SUBMITTED: PointSpec(
        70, 95, "Text inpainting in progress...", (RecoveryPoint.TEXT_REMOVAL_STORED,)
    ),
    RecoveryPoint.TEXT_REMOVAL_STORED: PointSpec(95, 99, "Text inpainting in progress...", (RecoveryPoint.COMPLETED,)),
    RecoveryPoint.FETCHED: PointSpec(
        10, 80, "Recognising speech and finding slides...", (RecoveryPoint.TRANSCRIBED, RecoveryPoint.SLIDES_FOUND)
    ),
    RecoveryPoint.TRANSCRIBED: PointSpec(10, 80, "Speech recognised, finding slides...", (RecoveryPoint.ANALYZED,)),
    RecoveryPoint.SLIDES_FOUND: PointSpec(10, 80, "Slides found, recognising speech...", (RecoveryPoint.ANALYZED,)),
    RecoveryPoint.ANALYZED: PointSpec(
        80, 95, "Writing the PDF and the subtitles...", (RecoveryPoint.DOCUMENTS_STORED,)
    ),
    RecoveryPoint.DOCUMENTS_STORED: PointSpec(95, 99, "Publishing...", (RecoveryPoint.COMPLETED,)),
    RecoveryPoint.COMPLETED: PointSpec(100, 100, "", ()),
}


@dataclass(frozen=True, slots=True)
class PaidStep:
    """What was bought on the way to a point, and where a job stood before it."""

    stage: Stage
    previous_point: RecoveryPoint


_PAID_STEPS: Final = {
    RecoveryPoint.LIP_SYNC_SUBMITTED: PaidStep(Stage.LIP_SYNC, RecoveryPoint.UPLOADED),
    RecoveryPoint.TEXT_REMOVAL_SUBMITTED: PaidStep(Stage.TEXT_REMOVAL, RecoveryPoint.LIP_SYNC_STORED),
}

# News between two points: progress and message change while the point stays.
LIP_SYNC_DONE: Final = (50, "Lip-sync completed")  # the vendor is done, its result is being stored
TEXT_REMOVAL_STARTING: Final = (60, "Starting text inpainting...")  # before its submission

_PARALLEL_POINTS: Final = (RecoveryPoint.TRANSCRIBED, RecoveryPoint.SLIDES_FOUND)


def _reachable_from(start: RecoveryPoint) -> frozenset[RecoveryPoint]:
    """Where a job may still come to, and where it is."""
    return frozenset({start}).union(*(_reachable_from(point) for point in POINT_SPECS[start].next_points))


_REACHABLE: Final = {point: _reachable_from(point) for point in RecoveryPoint}


def has_reached(current: RecoveryPoint, target: RecoveryPoint) -> bool:
    """Whether a job that stands at `at` has already passed `wanted`."""
    return current in _REACHABLE[target]


def resolve_arrival(current: RecoveryPoint, target: RecoveryPoint) -> RecoveryPoint:
    """Where a job arrives that stands at `at` and reaches `to`: of two steps side by side, the second one ends both."""
    return RecoveryPoint.ANALYZED if current is not target and {current, target} == set(_PARALLEL_POINTS) else target


def can_transition(current: RecoveryPoint, target: RecoveryPoint) -> bool:
    """Whether the transition is legal."""
    return target in POINT_SPECS[current].next_points


def paid_step_at(point: RecoveryPoint) -> PaidStep | None:
    """The paid step that a job which stands at `at` waits for; None where it waits for none."""
    return _PAID_STEPS.get(point)


def completed_message(last_point: RecoveryPoint) -> str:
    """The last message of a job (M4), by its last point before the end."""
    return _COMPLETED_MESSAGES[last_point]


def progress_within(point: RecoveryPoint, fraction: float) -> int:
    """Percent for a job that waits at `at`, `share` (0..1) of the way to its next point."""
    spec = POINT_SPECS[point]
    return spec.progress + round((spec.max_progress - spec.progress) * min(1.0, max(0.0, fraction)))
