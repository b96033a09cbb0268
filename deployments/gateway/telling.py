"""A job in the words of people: status, what can be done about it, what happened, what it costs. Nothing secret."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from deployments.gateway.shapes import Happening, JobSummary, OldStatus, StageCost, What
from videojobs.costs import expected
from videojobs.ledger import JobEvent, Submission, VideoJob
from videojobs.recovery import VENDORS
from videojobs.states import UNFINISHED, Point, Stage, Status, Work, reached

_OLD_STATUS: Final[dict[Status, OldStatus]] = {
    Status.PENDING: "processing",
    Status.PROCESSING: "processing",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "failed",
}


def old_status(job: VideoJob) -> OldStatus:
    """In the three words of the old system."""
    return _OLD_STATUS[Status(job.status)]


def message_of(job: VideoJob) -> str:
    """How it stands; of a job that has ended badly, why."""
    return job.error_message or job.progress_message


def has_fallback(job: VideoJob) -> bool:
    """Whether it failed and offers its lip-sync result instead."""
    return job.status == Status.FAILED and job.output_url is not None


def can_cancel(job: VideoJob) -> bool:
    """A parked job has no run, and may have been bought: an operator decides about it."""
    return job.status in UNFINISHED and job.parked_reason is None


def can_retry(job: VideoJob) -> bool:
    """What was refused at the door has no request to go on with."""
    return job.status in (Status.FAILED, Status.CANCELLED) and bool(job.request)


def downloads(job: VideoJob) -> list[What]:
    """What surely lies in the storage, by how far the job is. Whether there is a picture, only the storage knows."""
    found: list[What] = []
    if job.facts.get("inputs"):
        found.append("source")
    if job.work is Work.LECTURE:
        return [*found, *_of_lecture(job)]
    if reached(job.point, Point.LIP_SYNC_STORED):
        found.append("lip_sync")
    if job.status == Status.COMPLETED:
        found.append("result")
    return found


def _of_lecture(job: VideoJob) -> list[What]:
    found: list[What] = []
    if reached(job.point, Point.SLIDES_FOUND):
        found.append("times")
        if job.facts.get("slides"):
            found.append("slide")
    if reached(job.point, Point.DOCUMENTS_STORED):
        found += ["pdf", "slides"]
        if job.facts["documents"]["subtitles"]["files"]:
            found += ["srt", "vtt"]
    return found


def summary(job: VideoJob) -> JobSummary:
    """As lists show it."""
    return JobSummary(
        job_id=job.id,
        kind=job.work,
        user_id=job.user_id,
        display_name=job.display_name,
        status=Status(job.status),
        progress=job.progress_percentage,
        message=job.progress_message,
        error=job.error_message,
        parked_reason=job.parked_reason,
        fallback=has_fallback(job),
        created_at=job.created_at,
        updated_at=job.updated_at,
        completed_at=job.completed_at,
        can_cancel=can_cancel(job),
        can_retry=can_retry(job),
        downloads=downloads(job),
    )


# ---- costs -------------------------------------------------------------------------------------------------


def costs(job: VideoJob, submissions: Sequence[Submission]) -> list[StageCost]:
    """What is expected and, as far as it is known, what was paid. Nothing before the files were measured."""
    if job.estimate is None or not job.facts.get("video"):
        return []
    return [
        StageCost(
            stage=stage,
            expected_usd=cost.usd,
            expected_points=cost.points,
            paid_points=_paid(submissions, stage),
        )
        for stage, cost in expected(job.request, job.facts, job.estimate).root.items()
    ]


def _paid(submissions: Sequence[Submission], stage: Stage) -> Decimal | None:
    told = [row.paid_points for row in submissions if row.stage == stage and row.paid_points is not None]
    return sum(told[1:], start=told[0]) if told else None


# ---- what happened -----------------------------------------------------------------------------------------

_WORDS: Final = {
    "opened": "The job was taken in.",
    "refused": "The request was refused.",
    "claimed": "A run has taken the job up.",
    "estimated": "Its cost was estimated.",
    "completed": "The result is stored.",
    "failed": "The job has failed.",
    "parked": "The job waits for an operator.",
    "cancelled": "The job was cancelled.",
    "reopened": "The job goes on.",
    "interrupted": "Its run was interrupted; another one goes on with it.",
    "cleaned_up": "The clean-up looked at it, since it stood still.",
    "given_up": "An operator gave it up.",
}
_AT_THE_VENDOR: Final = {
    "intended": "It is being sent to {}.",
    "accepted": "{} has taken it on.",
    "accepted_too_late": "{} had taken on what was given up before.",
    "done": "{} is done.",
    "failed": "{} has failed.",
    "refused": "{} has refused it.",
    "waiting": "{} asks to wait.",
    "no_answer": "{} gives no answer at the moment; it is asked again.",
    "unknown": "Whether {} has taken it is not known.",
    "not_taken": "{} has surely not taken it, and is sent it again.",
    "written_off": "What {} has of it was given up.",
    "renewed": "It is prepared anew for {}, which has not taken it: links in it were about to end.",
    "bought_twice": "{} has made two of it.",
    "heard_of": "{} has reported.",
}
_REACHED: Final = {
    Point.UPLOADED: "All files are checked and stored.",
    Point.LIP_SYNC_STORED: "The lip-sync result is checked and stored.",
    Point.TEXT_REMOVAL_STORED: "The video without text is checked and stored.",
    Point.FETCHED: "The lecture is checked and stored.",
    Point.TRANSCRIBED: "The speech is recognised.",
    Point.SLIDES_FOUND: "The slides are found.",
    Point.UNDERSTOOD: "Speech and slides are both there.",
    Point.DOCUMENTS_STORED: "The PDF and the subtitles are stored.",
}


_READ: Final = 4  # ends that were moved, in one sentence
_READ_OF_A_FORM: Final = 20  # changes: each is of another kind


def timeline(events: Sequence[JobEvent]) -> list[Happening]:
    """The events, oldest first. Of their details only what changed in a request: others hold runs, addresses, ids."""
    return [
        Happening(at=event.at, kind=event.kind, point=event.point, progress=event.progress, message=_words(event))
        for event in events
    ]


def _words(event: JobEvent) -> str:
    detail = event.detail or {}
    stage = detail.get("stage")
    if stage in VENDORS and event.kind in _AT_THE_VENDOR:
        return _AT_THE_VENDOR[event.kind].format(VENDORS[Stage(stage)])
    if event.kind == "shortened":
        return f"Sync.so gets some ends earlier than they were given: {_some(detail['changes'])}."
    if changes := detail.get("changes"):
        return (
            f"{_WORDS[event.kind]} Some of it was read otherwise than it was sent: {_some(changes, _READ_OF_A_FORM)}."
        )
    if event.kind == "advanced":
        return _REACHED.get(Point(event.point), event.message)
    return _WORDS.get(event.kind, event.message)


def _some(clauses: Sequence[str], most: int = _READ) -> str:
    """As many as a person reads; a job may have hundreds of them."""
    shown, more = clauses[:most], len(clauses) - most
    return "; ".join([*shown, f"and {more} more like these"] if more > 0 else shown)
