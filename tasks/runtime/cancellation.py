"""Records that a job's run was cancelled in Prefect.

Prefect calls this hook when the run has stopped: a paid call in progress has completed (`tasks.runtime.paid_call`), or
the process is gone and the submission has an unknown outcome. No vendor can cancel, so what was bought is kept for a
later run.
"""

from collections.abc import Sequence
from typing import Any

from prefect import Flow
from prefect.client.schemas.objects import FlowRun, State

from blocks import Connections
from videojobs.db import Submission, SubmissionState
from videojobs.errors import UnknownJob

_STATE_TEXT = {
    SubmissionState.INTENDED: "may have been submitted",
    SubmissionState.UNKNOWN: "may have been submitted",
    SubmissionState.ACCEPTED: "submitted, the vendor finishes it",
    SubmissionState.DONE: "done",
}


async def record_cancellation(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Record it in the job's row and its events, with what is paid for."""
    parameters = flow_run.parameters
    job_id = parameters.get("job_id") or str(flow_run.id)
    repository = await Connections.for_job(parameters.get("connections") or {}).repository()
    try:
        submissions = await repository.list_submissions(job_id)
        await repository.cancel(
            job_id, str(flow_run.id), cancellation_message(submissions), actor=f"cancelled flow run {flow_run.id}"
        )
    except UnknownJob:
        return  # it was cancelled before it created its job


def cancellation_message(submissions: Sequence[Submission]) -> str:
    """What is paid for, for the person who cancelled the job."""
    paid = [
        f"{submission.stage.replace('_', ' ')} ({_STATE_TEXT[submission.state]}"
        + (f", vendor id {submission.vendor_id})" if submission.vendor_id else ")")
        for submission in submissions
        if submission.state in _STATE_TEXT
    ]
    if not paid:
        return "Cancelled; nothing was paid for. A later run with this job_id continues it."
    return (
        f"Cancelled; paid for, since no vendor can cancel: {', '.join(paid)}. "
        "A later run with this job_id uses what the vendors have finished."
    )
