"""Whether a job that was struck came home as promised: each trouble is one sentence."""

from collections.abc import Iterator

from tests.crash.play import Played, hangs
from videojobs.ledger import IN_DOUBT, SubmissionState
from videojobs.states import Point, Status, reached


def troubles(played: Played) -> list[str]:
    """What is not as it has to be."""
    return [*_struck(played), *_ended(played), *_paid(played), *_told(played), *_left(played)]


def _struck(played: Played) -> Iterator[str]:
    missed = played.case.all_strikes[len(played.struck) :]
    if missed:
        yield f"it never passed {missed[0].point}, so nothing was tried"


def _ended(played: Played) -> Iterator[str]:
    kind = played.case.kind
    if played.outcome != kind.ends:
        yield f"it is {played.outcome}: {_reason(played)}"
    for run in played.unfinished:
        yield f"its run {run.name!r} is still {run.state_name}"
    if played.outcome == "parked" and played.job and "dashboard" not in (played.job.parked_reason or ""):
        yield f"it is parked without a word on what to do: {played.job.parked_reason}"
    yield from played.failures


def _reason(played: Played) -> str:
    job = played.job
    return (job.parked_reason or job.error_message or job.progress_message) if job is not None else ""


def _paid(played: Played) -> Iterator[str]:
    """The vendors' own books: never more than what was wanted, and no less where the job is completed."""
    for vendor, wanted, found in zip(("Sync.so", "GhostCut"), played.case.kind.paid, played.paid, strict=True):
        if found > wanted or (found < wanted and played.outcome == played.case.kind.ends):
            yield f"{vendor} was paid {found} times instead of {wanted}"


def _told(played: Played) -> Iterator[str]:
    """The events: progress only rises, and the recovery point goes back on an operator's word only."""
    for before, after in zip(played.events, played.events[1:], strict=False):
        if after.progress < before.progress:
            yield f"progress fell from {before.progress} to {after.progress}"
        if not reached(Point(after.point), Point(before.point)) and after.kind != "reopened":
            yield f"it went back from {before.point} to {after.point}"
    ends = [event.kind for event in played.events if event.kind == "completed"]
    if len(ends) > 1:
        yield "it was completed twice"


def _left(played: Played) -> Iterator[str]:
    """On the books of a job that is over: nobody's lease, no submission in doubt."""
    job = played.job
    if job is None:
        yield from (f"{name} is still in the bucket" for name in played.objects)
        return
    if job.lease_holder is not None and not hangs(played.case):
        yield f"the lease is still held by {job.lease_holder}"
    over = job.status == Status.COMPLETED
    if over and any(row.state in (*IN_DOUBT, SubmissionState.WAITING) for row in played.submissions):
        yield "it is completed, and a submission is in doubt"
    if over and job.progress_percentage != 100:
        yield f"it is completed at {job.progress_percentage}%"
