"""The state machine of a job: recovery points, their transitions, progress and messages.

A job has three independent states:

* its **recovery point**: how far the work got. Only this decides what to do next, and any process can resume from it;
* its **status**, for operators and clients. No decision about the work reads it;
* whether it is **parked**: an operator has to decide before the job continues.

So a job that failed in text removal still says that its lip-sync result is stored, and can resume from there.
Progress values and messages are the owner's (requirements M4).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """What operators and clients see in `video_jobs.status`."""

    PENDING = "pending"  # created, not leased by a run yet
    PROCESSING = "processing"  # leased at least once; also while parked, with the reason as its message
    COMPLETED = "completed"  # the final video is stored
    FAILED = "failed"  # `error_message` says why
    CANCELLED = "cancelled"  # its run was cancelled; a later run may resume it


UNFINISHED_STATUSES: Final = (Status.PENDING, Status.PROCESSING)
ENDED_STATUSES: Final = tuple(status for status in Status if status not in UNFINISHED_STATUSES)


class JobKind(StrEnum):
    """Which pipeline processes the job."""

    PRO_VIDEO = "pro_video"  # lip-sync, text removal, or both: see `VideoJob.stages`
    LECTURE = "lecture"  # subtitles and a PDF of the slides; no paid calls


class Stage(StrEnum):
    """The paid steps. At most one live submission per job and stage."""

    LIP_SYNC = "lip_sync"
    TEXT_REMOVAL = "text_removal"


Stages = tuple[Stage, ...]
"""The paid stages that a job's request asks for, in the order in which they run; empty for a lecture."""


class RecoveryPoint(StrEnum):
    """In the order in which a job passes them. Each kind of job has its own points between the first and the last."""

    OPENED = "opened"  # the request is stored in the database
    UPLOADED = "uploaded"  # inputs are validated and stored
    LIP_SYNC_SUBMITTED = "lip_sync_submitted"  # its vendor has accepted it
    LIP_SYNC_STORED = "lip_sync_stored"  # its result is in our storage, checked
    TEXT_REMOVAL_SUBMITTED = "text_removal_submitted"  # its vendor has accepted it
    TEXT_REMOVAL_STORED = "text_removal_stored"  # its result is in our storage, checked
    FETCHED = "fetched"  # the lecture is validated and stored
    TRANSCRIBED = "transcribed"  # the transcript is stored, slide detection is still running
    SLIDES_FOUND = "slides_found"  # the slides are stored, transcription is still running
    ANALYZED = "analyzed"  # transcript and slides are stored
    DOCUMENTS_STORED = "documents_stored"  # the PDF, the subtitles and the slides in one file
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class PointSpec:
    """Progress, message and transitions of a job at a recovery point."""

    progress: int  # percent on arrival
    max_progress: int  # percent that it may rise to before the next point
    message: str
    next_points: tuple[RecoveryPoint, ...]


_COMPLETED_MESSAGES: Final = {
    RecoveryPoint.LIP_SYNC_STORED: "Pro video processing completed (lip-sync only)",
    RecoveryPoint.TEXT_REMOVAL_STORED: "Pro video processing completed (lip-sync + text inpainting)",
    RecoveryPoint.DOCUMENTS_STORED: "Lecture processing completed",
}
_REMOVAL_ONLY: Final[Stages] = (Stage.TEXT_REMOVAL,)
_REMOVAL_ONLY_COMPLETED_MESSAGE: Final = "Pro video processing completed (text inpainting)"

POINT_SPECS: Final[dict[RecoveryPoint, PointSpec]] = {
    RecoveryPoint.OPENED: PointSpec(0, 10, "Uploading files...", (RecoveryPoint.UPLOADED, RecoveryPoint.FETCHED)),
    RecoveryPoint.UPLOADED: PointSpec(
        10,
        10,
        "Lip-sync processing...",
        (RecoveryPoint.LIP_SYNC_SUBMITTED, RecoveryPoint.TEXT_REMOVAL_SUBMITTED),
    ),
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


_PAID_STAGES: Final = {
    RecoveryPoint.LIP_SYNC_SUBMITTED: Stage.LIP_SYNC,
    RecoveryPoint.TEXT_REMOVAL_SUBMITTED: Stage.TEXT_REMOVAL,
}

# Between two recovery points: only progress and message change.
LIP_SYNC_DONE: Final = (50, "Lip-sync completed")  # the vendor is done, its result is being copied to storage
TEXT_REMOVAL_STARTING: Final = (60, "Starting text inpainting...")  # before the submission

_PARALLEL_POINTS: Final = (RecoveryPoint.TRANSCRIBED, RecoveryPoint.SLIDES_FOUND)


def _reachable_from(start: RecoveryPoint) -> frozenset[RecoveryPoint]:
    """`start` and every point that can follow it."""
    return frozenset({start}).union(*(_reachable_from(point) for point in POINT_SPECS[start].next_points))


_REACHABLE: Final = {point: _reachable_from(point) for point in RecoveryPoint}


def has_reached(current: RecoveryPoint, target: RecoveryPoint) -> bool:
    """Whether a job at `current` is at `target` or beyond."""
    return current in _REACHABLE[target]


def resolve_arrival(current: RecoveryPoint, target: RecoveryPoint) -> RecoveryPoint:
    """Where a job at `current` arrives on reaching `target`: the second of two parallel steps ends both."""
    return RecoveryPoint.ANALYZED if current is not target and {current, target} == set(_PARALLEL_POINTS) else target


def can_transition(current: RecoveryPoint, target: RecoveryPoint) -> bool:
    """Whether the transition is allowed."""
    return target in POINT_SPECS[current].next_points


def paid_stage_at(point: RecoveryPoint) -> Stage | None:
    """The paid stage that a job at this point waits for, if any."""
    return _PAID_STAGES.get(point)


def point_before(stage: Stage, stages: Stages) -> RecoveryPoint:
    """The recovery point from which a job with these stages submits `stage`."""
    return RecoveryPoint.LIP_SYNC_STORED if stage is not stages[0] else RecoveryPoint.UPLOADED


def point_message(point: RecoveryPoint, stages: Stages) -> str:
    """The progress message of a job with these stages on arrival at `point`."""
    if point is RecoveryPoint.UPLOADED and stages == _REMOVAL_ONLY:
        return TEXT_REMOVAL_STARTING[1]
    return POINT_SPECS[point].message


def completed_message(last_point: RecoveryPoint, stages: Stages) -> str:
    """The final message of a job (M4), by its last point before the end."""
    return _REMOVAL_ONLY_COMPLETED_MESSAGE if stages == _REMOVAL_ONLY else _COMPLETED_MESSAGES[last_point]


def progress_within(point: RecoveryPoint, fraction: float) -> int:
    """Percent for a job at `point` that is `fraction` (0..1) of the way to the next one."""
    spec = POINT_SPECS[point]
    return spec.progress + round((spec.max_progress - spec.progress) * min(1.0, max(0.0, fraction)))
