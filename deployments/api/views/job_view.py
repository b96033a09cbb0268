"""A job in the words of people: status, what can be done about it, what happened, what it costs. Nothing secret."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from deployments.api.schemas.jobs import EventEntry, FileKind, JobSummary, LegacyStatus, StageCost
from videojobs.db import JobEvent, Submission, VideoJob
from videojobs.pipeline.recovery_policy import VENDOR_NAMES
from videojobs.states import UNFINISHED_STATUSES, JobKind, RecoveryPoint, Stage, Status, has_reached

_LEGACY_STATUS: Final[dict[Status, LegacyStatus]] = {
    Status.PENDING: "processing",
    Status.PROCESSING: "processing",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "failed",
}


def legacy_status(job: VideoJob) -> LegacyStatus:
    """In the three words of the old system."""
    return _LEGACY_STATUS[Status(job.status)]


def status_message(job: VideoJob) -> str:
    """How it stands; of a job that has ended badly, why."""
    return job.error_message or job.progress_message


def has_fallback(job: VideoJob) -> bool:
    """Whether it failed and offers its lip-sync result instead."""
    return job.status == Status.FAILED and job.output_url is not None


def can_cancel(job: VideoJob) -> bool:
    """A parked job has no run, and may have been bought: an operator decides about it."""
    return job.status in UNFINISHED_STATUSES and job.parked_reason is None


def can_retry(job: VideoJob) -> bool:
    """What was refused at the door has no request to go on with."""
    return job.status in (Status.FAILED, Status.CANCELLED) and bool(job.request)


def available_downloads(job: VideoJob) -> list[FileKind]:
    """What surely lies in the storage, by how far the job is. Whether there is a picture, only the storage knows."""
    found: list[FileKind] = []
    if job.facts.inputs:
        found.append("source")
    if job.job_kind is JobKind.LECTURE:
        return [*found, *_lecture_downloads(job)]
    if has_reached(job.point, RecoveryPoint.LIP_SYNC_STORED):
        found.append("lip_sync")
    if job.status == Status.COMPLETED:
        found.append("result")
    return found


def _lecture_downloads(job: VideoJob) -> list[FileKind]:
    facts = job.facts
    found: list[FileKind] = []
    if has_reached(job.point, RecoveryPoint.SLIDES_FOUND):
        found.append("times")
        if facts.slides:
            found.append("slide")
    if has_reached(job.point, RecoveryPoint.DOCUMENTS_STORED):
        found += ["pdf", "slides"]
        if facts.documents and facts.documents.subtitles.files:
            found += ["srt", "vtt"]
    return found


def to_summary(job: VideoJob) -> JobSummary:
    """As lists show it."""
    return JobSummary(
        job_id=job.id,
        kind=job.job_kind,
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
        downloads=available_downloads(job),
    )


# ---- costs -------------------------------------------------------------------------------------------------


def stage_costs(job: VideoJob, submissions: Sequence[Submission]) -> list[StageCost]:
    """What is expected and, as far as it is known, what was paid. Nothing before the files were measured."""
    if job.estimate is None or not job.facts.video:
        return []
    return [
        StageCost(
            stage=stage,
            expected_usd=cost.usd,
            expected_points=cost.points,
            paid_points=_paid_points(submissions, stage),
        )
        for stage, cost in job.cost_estimate.root.items()
    ]


def _paid_points(submissions: Sequence[Submission], stage: Stage) -> Decimal | None:
    reported = [row.paid_points for row in submissions if row.stage == stage and row.paid_points is not None]
    return sum(reported[1:], start=reported[0]) if reported else None


# ---- what happened -----------------------------------------------------------------------------------------

_EVENT_TEXT: Final = {
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
_VENDOR_EVENT_TEXT: Final = {
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
_POINT_TEXT: Final = {
    RecoveryPoint.UPLOADED: "All files are checked and stored.",
    RecoveryPoint.LIP_SYNC_STORED: "The lip-sync result is checked and stored.",
    RecoveryPoint.TEXT_REMOVAL_STORED: "The video without text is checked and stored.",
    RecoveryPoint.FETCHED: "The lecture is checked and stored.",
    RecoveryPoint.TRANSCRIBED: "The speech is recognised.",
    RecoveryPoint.SLIDES_FOUND: "The slides are found.",
    RecoveryPoint.ANALYZED: "Speech and slides are both there.",
    RecoveryPoint.DOCUMENTS_STORED: "The PDF and the subtitles are stored.",
}


_MAX_LISTED_CHANGES: Final = 4  # ends that were moved, in one sentence
_MAX_LISTED_FORM_CHANGES: Final = 20  # changes: each is of another kind


def event_log(events: Sequence[JobEvent]) -> list[EventEntry]:
    """The events, oldest first. Of their details only what changed in a request: others hold runs, addresses, ids."""
    return [
        EventEntry(
            at=event.at, kind=event.kind, point=event.point, progress=event.progress, message=_event_message(event)
        )
        for event in events
    ]


def _event_message(event: JobEvent) -> str:
    detail = event.detail or {}
    stage = detail.get("stage")
    if stage in VENDOR_NAMES and event.kind in _VENDOR_EVENT_TEXT:
        return _VENDOR_EVENT_TEXT[event.kind].format(VENDOR_NAMES[Stage(stage)])
    if event.kind == "shortened":
        return f"Sync.so gets some ends earlier than they were given: {_join_first(detail['changes'])}."
    if changes := detail.get("changes"):
        listed = _join_first(changes, _MAX_LISTED_FORM_CHANGES)
        return f"{_EVENT_TEXT[event.kind]} Some of it was read otherwise than it was sent: {listed}."
    if event.kind == "advanced":
        return _POINT_TEXT.get(RecoveryPoint(event.point), event.message)
    return _EVENT_TEXT.get(event.kind, event.message)


def _join_first(clauses: Sequence[str], limit: int = _MAX_LISTED_CHANGES) -> str:
    """As many as a person reads; a job may have hundreds of them."""
    shown, more = clauses[:limit], len(clauses) - limit
    return "; ".join([*shown, f"and {more} more like these"] if more > 0 else shown)
