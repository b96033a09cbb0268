"""Why a job stands still or has ended, in plain words, and what there is to do about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from deployments.gateway.pages.sight import Tone, is_parked
from deployments.gateway.shapes import JobSummary
from videojobs.states import Status, Work

_TEXT_REMOVAL_FAILED: Final = "Text inpainting failed: "  # requirements M7
_REFUSED: Final = "The request has "  # how `videojobs.errors.InvalidRequest` begins
_NEXT: Final = re.compile(r"; (?=[a-z_]+(?:\[\d+])?(?:\.\w+)*: )")  # and where its next problem begins


@dataclass(frozen=True, slots=True)
class _Words:
    """What is said of one kind of job."""

    deciding: str
    waiting: str
    refused: str
    failed: str


_WORDS: Final = {
    Work.PRO_VIDEO: _Words(
        deciding=(
            "adopt takes what the vendor has, by the id in its dashboard; retry goes on once the cause is mended; "
            "resubmit buys the step again; give up ends the job with what it has."
        ),
        waiting="Nothing is bought meanwhile, and nothing that was bought is lost.",
        refused="Nothing was bought. Mend this, and send a new job.",
        failed="Try again goes on from the step that failed. What is stored already is not bought again.",
    ),
    Work.LECTURE: _Words(
        deciding="retry goes on once the cause is mended; give up ends the job.",
        waiting="What is stored already is kept.",
        refused="Mend this, and send the lecture again.",
        failed="Try again goes on from the step that failed. What is stored already is not done again.",
    ),
}


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody has to know, and may do."""

    tone: Tone
    title: str
    lines: Sequence[str]
    items: Sequence[str] = field(default=())


def note_on(job: JobSummary, *, for_admin: bool) -> Note | None:
    """Why it stands still or has ended, and what to do; nothing for a job that is on its way or finished."""
    if is_parked(job):
        return _parked(job, for_admin=for_admin)
    if job.status is Status.FAILED:
        return _failed(_WORDS[job.kind], job.error or "no reason was given")
    if job.status is Status.CANCELLED:
        return Note("wait", "The job was cancelled", [job.error or "", "Try again goes on where it was stopped."])
    return None


def _parked(job: JobSummary, *, for_admin: bool) -> Note:
    why = _sentence(job.parked_reason or "")
    words = _WORDS[job.kind]
    if not for_admin:
        return Note("wait", "An operator has to decide", [why, f"{words.waiting} You need not do anything."])
    todo = f"What to do: in Prefect, run the deployment decide with the job id {job.job_id}: {words.deciding}"
    return Note("wait", "An operator has to decide", [why, words.waiting, todo])


def _failed(words: _Words, error: str) -> Note:
    if error.startswith(_REFUSED):
        head, _, problems = error.partition(": ")
        title = f"{head.removeprefix(_REFUSED).capitalize()} with what was sent"
        return Note("bad", title, [words.refused], _NEXT.split(problems))
    if error.startswith(_TEXT_REMOVAL_FAILED):
        why = _sentence(error.removeprefix(_TEXT_REMOVAL_FAILED))
        kept = "The lip-sync result is kept: you can download it. Try again repeats the text removal only."
        return Note("bad", "The text could not be removed", [why, kept])
    return Note("bad", "The job failed", [_sentence(error), words.failed])


def _sentence(text: str) -> str:
    """With a capital at the start and a stop at the end."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")
