"""Jobs as the API shows them: status, possible actions, events, costs. Nothing secret."""

import logging
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from pydantic import ValidationError

from deployments.api.errors import to_field_problems
from deployments.api.schemas.jobs import EventEntry, FileKind, JobSummary, LegacyStatus, StageCost
from deployments.api.schemas.problems import FieldProblem
from deployments.api.views.event_texts import event_message
from videojobs.db import JobEvent, Submission, VideoJob
from videojobs.errors import FieldError, ProblemCode
from videojobs.pipeline.cost_estimate import cost_estimate_of
from videojobs.pipeline.facts import JobFacts
from videojobs.states import UNFINISHED_STATUSES, JobKind, RecoveryPoint, Stage, Status
from videojobs.transitions import has_reached

log = logging.getLogger(__name__)

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


def readable_facts(job: VideoJob) -> JobFacts:
    """The job's facts; none where this version cannot read them, so that the rest of the job can be shown."""
    try:
        return job.facts
    except ValidationError as error:
        log.warning("Job %s: its facts cannot be read (%s)", job.id, _first_line(error))
        return JobFacts()


def _first_line(error: ValidationError) -> str:
    """Which field is wrong. The value, which may hold a link, is left out."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def available_downloads(job: VideoJob) -> list[FileKind]:
    """The files that exist by the job's recovery point. The before/after picture is not among them."""
    found: list[FileKind] = []
    if readable_facts(job).inputs:
        found.append("source")
    if job.kind is JobKind.LECTURE:
        return [*found, *_lecture_downloads(job)]
    if job.has_lip_sync and has_reached(job.recovery_point, RecoveryPoint.LIP_SYNC_STORED):
        found.append("lip_sync")
    if job.status == Status.COMPLETED:
        found.append("result")
    return found


def _lecture_downloads(job: VideoJob) -> list[FileKind]:
    facts = readable_facts(job)
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
    """Entries of another form are left out: one odd row must not break a list."""
    stored = job.error_problems if isinstance(job.error_problems, list) else []
    readable = [
        FieldError(item["path"], item["message"], _stored_code(item))
        for item in stored
        if isinstance(item, dict) and isinstance(item.get("path"), str) and isinstance(item.get("message"), str)
    ]
    return [FieldProblem.model_validate(problem) for problem in to_field_problems(readable)]


def _stored_code(problem: Mapping[str, str]) -> ProblemCode:
    """Old rows have no code, and a newer version may have stored one that is unknown here."""
    try:
        return ProblemCode(problem["code"])
    except (KeyError, ValueError):
        return ProblemCode.INVALID_VALUE


# ---- costs -------------------------------------------------------------------------------------------------


def stage_costs(job: VideoJob, submissions: Sequence[Submission]) -> list[StageCost]:
    """Expected costs and, where known, paid ones. Empty before the files are measured."""
    if job.estimate is None or not readable_facts(job).video:
        return []
    try:
        estimate = cost_estimate_of(job)
    except ValidationError as error:
        log.warning("Job %s: its estimate cannot be read (%s)", job.id, _first_line(error))
        return []
    return [
        StageCost(
            stage=stage,
            expected_usd=cost.usd,
            expected_points=cost.points,
            paid_points=_paid_points(submissions, stage),
        )
        for stage, cost in estimate.root.items()
    ]


def _paid_points(submissions: Sequence[Submission], stage: Stage) -> Decimal | None:
    reported = [row.paid_points for row in submissions if row.stage == stage and row.paid_points is not None]
    return sum(reported[1:], start=reported[0]) if reported else None


# ---- events --------------------------------------------------------------------------------------------


def event_log(events: Sequence[JobEvent]) -> list[EventEntry]:
    """The events, oldest first. Of their details, only changes to the request are shown: others hold URLs and ids."""
    return [
        EventEntry(
            at=event.at, kind=event.kind, point=event.point, progress=event.progress, message=event_message(event)
        )
        for event in events
    ]
