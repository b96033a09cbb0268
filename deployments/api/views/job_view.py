"""Jobs as the API shows them: status, possible actions, events, costs. Nothing secret."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from deployments.api.errors import to_field_problems
from deployments.api.schemas.jobs import EventEntry, FileKind, JobSummary, LegacyStatus, StageCost
from deployments.api.schemas.problems import FieldProblem
from videojobs.db import JobEvent, Submission, VideoJob
from videojobs.errors import FieldError
from videojobs.pipeline.cost_estimate import cost_estimate_of
from videojobs.providers.registry import StageSettings, display_name
from videojobs.states import UNFINISHED_STATUSES, JobKind, RecoveryPoint, Stage, Status, has_reached

_LEGACY_STATUS: Final[dict[Status, LegacyStatus]] = {
    Status.PENDING: "processing",
    Status.PROCESSING: "processing",
    Status.COMPLETED: "completed",
    Status.FAILED: "failed",
    Status.CANCELLED: "failed",
}


def legacy_status(job: VideoJob) -> LegacyStatus:
    """One of the three statuses of the old system."""
    return _LEGACY_STATUS[job.status]


def status_message(job: VideoJob) -> str:
    """The progress message; for a failed or cancelled job, the reason."""
    return job.error_message or job.progress_message


def has_fallback(job: VideoJob) -> bool:
    """Whether the job failed but offers its lip-sync result."""
    return job.status == Status.FAILED and job.output_url is not None


def can_cancel(job: VideoJob) -> bool:
    """Not a parked job: it has no run, and something may have been paid for, so an operator decides."""
    return job.status in UNFINISHED_STATUSES and job.parked_reason is None


def can_retry(job: VideoJob) -> bool:
    """Not a rejected request: it was not stored, so there is nothing to continue."""
    return job.status in (Status.FAILED, Status.CANCELLED) and bool(job.request)


def available_downloads(job: VideoJob) -> list[FileKind]:
    """The files that exist by the job's recovery point. The before/after picture is not among them."""
    found: list[FileKind] = []
    if job.facts.inputs:
        found.append("source")
    if job.kind is JobKind.LECTURE:
        return [*found, *_lecture_downloads(job)]
    if job.has_lip_sync and has_reached(job.recovery_point, RecoveryPoint.LIP_SYNC_STORED):
        found.append("lip_sync")
    if job.status == Status.COMPLETED:
        found.append("result")
    return found


def _lecture_downloads(job: VideoJob) -> list[FileKind]:
    facts = job.facts
    found: list[FileKind] = []
    if has_reached(job.recovery_point, RecoveryPoint.SLIDES_FOUND):
        found.append("times")
        if facts.slides:
            found.append("slide")
    if has_reached(job.recovery_point, RecoveryPoint.DOCUMENTS_STORED):
        found += ["pdf", "slides"]
        if facts.documents and facts.documents.subtitles.files:
            found += ["srt", "vtt"]
    return found


def to_summary(job: VideoJob) -> JobSummary:
    """The job in a list."""
    return JobSummary(
        job_id=job.id,
        kind=job.kind,
        user_id=job.user_id,
        display_name=job.display_name,
        status=job.status,
        progress=job.progress_percentage,
        message=job.progress_message,
        error=job.error_message,
        error_code=job.error_code,
        problems=_problems(job),
        parked_reason=job.parked_reason,
        fallback=has_fallback(job),
        created_at=job.created_at,
        updated_at=job.updated_at,
        completed_at=job.completed_at,
        can_cancel=can_cancel(job),
        can_retry=can_retry(job),
        downloads=available_downloads(job),
    )


def _problems(job: VideoJob) -> list[FieldProblem]:
    problems = [FieldError(item["path"], item["message"]) for item in job.error_problems or ()]
    return [FieldProblem(**problem) for problem in to_field_problems(problems)]


# ---- costs -------------------------------------------------------------------------------------------------


def stage_costs(job: VideoJob, submissions: Sequence[Submission]) -> list[StageCost]:
    """Expected costs and, where known, paid ones. Empty before the files are measured."""
    if job.estimate is None or not job.facts.video:
        return []
    return [
        StageCost(
            stage=stage,
            expected_usd=cost.usd,
            expected_points=cost.points,
            paid_points=_paid_points(submissions, stage),
        )
        for stage, cost in cost_estimate_of(job).root.items()
    ]


def _paid_points(submissions: Sequence[Submission], stage: Stage) -> Decimal | None:
    reported = [row.paid_points for row in submissions if row.stage == stage and row.paid_points is not None]
    return sum(reported[1:], start=reported[0]) if reported else None


# ---- events --------------------------------------------------------------------------------------------

_EVENT_TEXT: Final = {
    "opened": "The job was accepted.",
    "refused": "The request was rejected.",
    "lease_acquired": "A run has started work on the job.",
    "estimated": "Its cost was estimated.",
    "completed": "The result is stored.",
    "failed": "The job has failed.",
    "parked": "The job needs an operator.",
    "cancelled": "The job was cancelled.",
    "reopened": "The job continues.",
    "interrupted": "Its run was interrupted; another run continues.",
    "cleanup_action": "The clean-up checked the job, because it made no progress.",
    "given_up": "An operator gave the job up.",
}
_VENDOR_EVENT_TEXT: Final = {
    "intended": "The job is being sent to {}.",
    "accepted": "{} has accepted the job.",
    "accepted_after_write_off": "{} had accepted a submission that was written off.",
    "done": "{} has finished.",
    "failed": "{} has failed.",
    "refused": "{} has refused the job.",
    "waiting": "{} asks us to wait.",
    "no_answer": "{} does not respond at the moment; we query it again.",
    "unknown": "It is not known whether {} has accepted the job.",
    "not_taken": "{} has not accepted the job; it is sent again.",
    "written_off": "The submission to {} was written off.",
    "renewed": "The submission to {}, not accepted yet, was renewed: its links were about to expire.",
    "bought_twice": "{} has produced the result twice.",
    "callback_received": "{} has sent a callback.",
}
_POINT_TEXT: Final = {
    RecoveryPoint.UPLOADED: "All files are checked and stored.",
    RecoveryPoint.LIP_SYNC_STORED: "The lip-sync result is checked and stored.",
    RecoveryPoint.TEXT_REMOVAL_STORED: "The video without text is checked and stored.",
    RecoveryPoint.FETCHED: "The lecture is checked and stored.",
    RecoveryPoint.TRANSCRIBED: "The speech is recognised.",
    RecoveryPoint.SLIDES_FOUND: "The slides are detected.",
    RecoveryPoint.ANALYZED: "Speech and slides are both ready.",
    RecoveryPoint.DOCUMENTS_STORED: "The PDF and the subtitles are stored.",
}


_MAX_LISTED_CHANGES: Final = 4  # moved ends in one sentence
_MAX_LISTED_FORM_CHANGES: Final = 20  # changes of a form: each is of another kind


def event_log(events: Sequence[JobEvent]) -> list[EventEntry]:
    """The events, oldest first. Of their details, only changes to the request are shown: others hold URLs and ids."""
    return [
        EventEntry(
            at=event.at, kind=event.kind, point=event.point, progress=event.progress, message=_event_message(event)
        )
        for event in events
    ]


def _event_message(event: JobEvent) -> str:
    detail = event.detail or {}
    stage = detail.get("stage")
    if stage in list(Stage) and event.kind in _VENDOR_EVENT_TEXT:
        # Events of older versions name the stage only.
        provider = detail.get("provider") or StageSettings.current().key_for(Stage(stage))
        return _VENDOR_EVENT_TEXT[event.kind].format(display_name(provider))
    if event.kind == "shortened":
        vendor = display_name(StageSettings.current().lip_sync_provider)
        return f"Some ends were moved forward for {vendor}: {_join_first(detail['changes'])}."
    if changes := detail.get("changes"):
        listed = _join_first(changes, _MAX_LISTED_FORM_CHANGES)
        return f"{_EVENT_TEXT[event.kind]} Parts of the form were adjusted: {listed}."
    if event.kind == "advanced":
        return _POINT_TEXT.get(event.point, event.message)
    return _EVENT_TEXT.get(event.kind, event.message)


def _join_first(clauses: Sequence[str], limit: int = _MAX_LISTED_CHANGES) -> str:
    """At most `limit` clauses; a job may have hundreds."""
    shown, more = clauses[:limit], len(clauses) - limit
    return "; ".join([*shown, f"and {more} more like these"] if more > 0 else shown)
