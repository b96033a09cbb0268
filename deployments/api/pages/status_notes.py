"""Why a job stands still or has ended, in plain words, and what there is to do about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from deployments.api.pages.job_card import Tone, is_parked
from deployments.api.schemas.jobs import JobSummary
from videojobs.states import JobKind, Status

_TEXT_REMOVAL_FAILED_PREFIX: Final = "Text inpainting failed: "  # requirements M7
_REJECTED_PREFIX: Final = "The request has "  # how `videojobs.errors.InvalidRequest` begins
_PROBLEM_SEPARATOR: Final = re.compile(r"; (?=[a-z_]+(?:\[\d+])?(?:\.\w+)*: )")  # and where its next problem begins


@dataclass(frozen=True, slots=True)
class _StatusTexts:
    """What is said of one kind of job."""

    operator_actions: str
    parked: str
    rejected: str
    failed: str


_TEXTS_BY_KIND: Final = {
    JobKind.PRO_VIDEO: _StatusTexts(
        operator_actions=(
            "adopt takes what the vendor has, by the id in its dashboard; retry goes on once the cause is mended; "
            "resubmit buys the step again; give up ends the job with what it has."
        ),
        parked="Nothing is bought meanwhile, and nothing that was bought is lost.",
        rejected="Nothing was bought. Mend this, and send a new job.",
        failed="Try again goes on from the step that failed. What is stored already is not bought again.",
    ),
    JobKind.LECTURE: _StatusTexts(
        operator_actions="retry goes on once the cause is mended; give up ends the job.",
        parked="What is stored already is kept.",
        rejected="Mend this, and send the lecture again.",
        failed="Try again goes on from the step that failed. What is stored already is not done again.",
    ),
}


@dataclass(frozen=True, slots=True)
class StatusNote:
    """What somebody has to know, and may do."""

    tone: Tone
    title: str
    lines: Sequence[str]
    items: Sequence[str] = field(default=())


def build_status_note(job: JobSummary, *, for_admin: bool) -> StatusNote | None:
    """Why it stands still or has ended, and what to do; nothing for a job that is on its way or finished."""
    if is_parked(job):
        return _parked_note(job, for_admin=for_admin)
    if job.status is Status.FAILED:
        return _failed_note(_TEXTS_BY_KIND[job.kind], job.error or "no reason was given")
    if job.status is Status.CANCELLED:
        return StatusNote("wait", "The job was cancelled", [job.error or "", "Try again goes on where it was stopped."])
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


def _failed_note(texts: _StatusTexts, error: str) -> StatusNote:
    if error.startswith(_REJECTED_PREFIX):
        head, _, problems = error.partition(": ")
        title = f"{head.removeprefix(_REJECTED_PREFIX).capitalize()} with what was sent"
        return StatusNote("bad", title, [texts.rejected], _PROBLEM_SEPARATOR.split(problems))
    if error.startswith(_TEXT_REMOVAL_FAILED_PREFIX):
        reason = _to_sentence(error.removeprefix(_TEXT_REMOVAL_FAILED_PREFIX))
        kept = "The lip-sync result is kept: you can download it. Try again repeats the text removal only."
        return StatusNote("bad", "The text could not be removed", [reason, kept])
    return StatusNote("bad", "The job failed", [_to_sentence(error), texts.failed])


def _to_sentence(text: str) -> str:
    """With a capital at the start and a stop at the end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
