"""Checks whether a job with injected faults reached its promised result; each problem is one sentence."""

from collections.abc import Iterator

from tests.fault_injection.runner import CaseResult, is_hanging
from videojobs.db import IN_DOUBT_STATES, SubmissionState
from videojobs.states import RecoveryPoint, Status
from videojobs.transitions import has_reached


def find_problems(result: CaseResult) -> list[str]:
    """All problems of a case."""
    return [
        *_check_injections(result),
        *_check_outcome(result),
        *_check_payments(result),
        *_check_events(result),
        *_check_leftovers(result),
    ]


def _check_injections(result: CaseResult) -> Iterator[str]:
    missed = result.case.all_injections[len(result.injected) :]
    if missed:
        yield f"it never passed {missed[0].point}, so nothing was tried"


def _check_outcome(result: CaseResult) -> Iterator[str]:
    kind = result.case.scenario
    if result.outcome != kind.expected:
        yield f"it is {result.outcome}: {_outcome_reason(result)}"
    for run in result.unfinished_runs:
        yield f"its run {run.name!r} is still {run.state_name}"
    if result.outcome == "parked" and result.job and "dashboard" not in (result.job.parked_reason or ""):
        yield f"it is parked without a word on what to do: {result.job.parked_reason}"
    yield from result.defects


def _outcome_reason(result: CaseResult) -> str:
    job = result.job
    return (job.parked_reason or job.error_message or job.progress_message) if job is not None else ""


def _check_payments(result: CaseResult) -> Iterator[str]:
    """Check the vendors' own records: never more submissions than expected, and no fewer if the job is completed."""
    for vendor, wanted, found in zip(
        ("Sync.so", "GhostCut"), result.case.scenario.expected_submissions, result.paid, strict=True
    ):
        if found > wanted or (found < wanted and result.outcome == result.case.scenario.expected):
            yield f"{vendor} was paid {found} times instead of {wanted}"


def _check_events(result: CaseResult) -> Iterator[str]:
    """Check the events: progress only increases, and the recovery point goes back only by an operator's action."""
    for before, after in zip(result.events, result.events[1:], strict=False):
        if after.progress < before.progress:
            yield f"progress fell from {before.progress} to {after.progress}"
        if not has_reached(RecoveryPoint(after.point), RecoveryPoint(before.point)) and after.kind != "reopened":
            yield f"it went back from {before.point} to {after.point}"
    ends = [event.kind for event in result.events if event.kind == "completed"]
    if len(ends) > 1:
        yield "it was completed twice"


def _check_leftovers(result: CaseResult) -> Iterator[str]:
    """A finished job has no lease, and no submission with unknown outcome."""
    job = result.job
    if job is None:
        yield from (f"{name} is still in the bucket" for name in result.objects)
        return
    if job.lease_holder is not None and not is_hanging(result.case):
        yield f"the lease is still held by {job.lease_holder}"
    over = job.status == Status.COMPLETED
    if over and any(row.state in (*IN_DOUBT_STATES, SubmissionState.WAITING) for row in result.submissions):
        yield "it is completed, and a submission is in doubt"
    if over and job.progress_percentage != 100:
        yield f"it is completed at {job.progress_percentage}%"
