"""Why a job needs attention or has ended, and what the user or an operator can do."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from deployments.api.pages.job_card import is_parked
from deployments.api.schemas.jobs import JobSummary
from deployments.api.views.event_texts import Tone
from videojobs.states import JobKind, Status


@dataclass(frozen=True, slots=True)
class _StatusTexts:
    """The texts for one kind of job."""

    operator_actions: str
    parked: str
    rejected: str
    failed: str


_TEXTS_BY_KIND: Final = {
    JobKind.PRO_VIDEO: _StatusTexts(
        operator_actions=(
            "adopt uses what the vendor has, by the id in its dashboard; retry continues once the cause is fixed; "
            "resubmit buys the step again; give up ends the job with what it has."
        ),
        parked="Nothing is bought in the meantime, and nothing that was bought is lost.",
        rejected="Nothing was bought. Correct this and send a new job.",
        failed="Try again continues from the step that failed. Stored results are not bought again.",
    ),
    JobKind.LECTURE: _StatusTexts(
        operator_actions="retry continues once the cause is fixed; give up ends the job.",
        parked="Stored results are kept.",
        rejected="Correct this and send the lecture again.",
        failed="Try again continues from the step that failed. Stored results are kept.",
    ),
}


@dataclass(frozen=True, slots=True)
class StatusNote:
    """A notice on the page of a job."""

    tone: Tone
    title: str
    lines: Sequence[str]
    items: Sequence[str] = field(default=())


def build_status_note(job: JobSummary, *, for_admin: bool) -> StatusNote | None:
    """The notice for a job that is parked, failed or cancelled; None for all others."""
    if is_parked(job):
        return _parked_note(job, for_admin=for_admin)
    if job.status is Status.FAILED:
        return _failed_note(job, _TEXTS_BY_KIND[job.kind])
    if job.status is Status.CANCELLED:
        return StatusNote("wait", "The job was cancelled", [job.error or "", "Try again continues where it stopped."])
    return None


def _parked_note(job: JobSummary, *, for_admin: bool) -> StatusNote:
    reason = _to_sentence(job.parked_reason or "")
    texts = _TEXTS_BY_KIND[job.kind]
    if not for_admin:
        return StatusNote("wait", "An operator has to decide", [reason, f"{texts.parked} You need not do anything."])
    todo = (
        f"What to do: in Prefect, run the deployment resolve-job with the job id {job.job_id}: {texts.operator_actions}"
    )
    return StatusNote("wait", "An operator has to decide", [reason, texts.parked, todo])


def _failed_note(job: JobSummary, texts: _StatusTexts) -> StatusNote:
    next_step = texts.failed if job.can_retry else texts.rejected
    if job.problems:
        count = len(job.problems)
        title = "1 problem with the request" if count == 1 else f"{count} problems with the request"
        return StatusNote("bad", title, [next_step], [f"{item.field}: {item.message}" for item in job.problems])
    reason = _to_sentence(job.error or "the reason was not recorded")
    if job.fallback:
        kept = "The lip-sync result is kept and can be downloaded. Try again repeats the text removal only."
        return StatusNote("bad", "The text could not be removed", [reason, kept])
    return StatusNote("bad", "The job failed", [reason, next_step])


def _to_sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
