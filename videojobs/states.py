"""The states of a job: its kinds, statuses, stages and recovery points.

A job has three independent states:

* its **recovery point**: how far the work got. Only this decides what to do next, and any process can resume from it;
* its **status**, for operators and clients. No decision about the work reads it;
* whether it is **parked**: an operator has to decide before the job continues.

So a job that failed in text removal still says that its lip-sync result is stored, and can resume from there.
Progress and messages of the points are in `progress.py`, their order in `transitions.py`.
"""

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


_PAID_STAGES: Final = {
    RecoveryPoint.LIP_SYNC_SUBMITTED: Stage.LIP_SYNC,
    RecoveryPoint.TEXT_REMOVAL_SUBMITTED: Stage.TEXT_REMOVAL,
}


def paid_stage_at(point: RecoveryPoint) -> Stage | None:
    """The paid stage that a job at this point waits for, if any."""
    return _PAID_STAGES.get(point)


def point_before(stage: Stage, stages: Stages) -> RecoveryPoint:
    """The recovery point from which a job with these stages submits `stage`."""
    return RecoveryPoint.LIP_SYNC_STORED if stage is not stages[0] else RecoveryPoint.UPLOADED
