"""Progress of a job: percent, message and next points of each recovery point.

Progress values and messages are the owner's (requirements M4).
"""

from dataclasses import dataclass
from typing import Final

from videojobs.states import RecoveryPoint, Stage, Stages


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

# Between two recovery points: only progress and message change.
LIP_SYNC_DONE: Final = (50, "Lip-sync completed")  # the vendor is done, its result is being copied to storage
TEXT_REMOVAL_STARTING: Final = (60, "Starting text inpainting...")  # before the submission


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
