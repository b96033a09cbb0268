"""An operator's decision about a parked or failed job, made in the Prefect UI."""

from typing import Annotated, Any, Final

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from pydantic import Field

from blocks import Connections
from tasks.operator_actions import OperatorAction, adopt, give_up, is_already_applied, resubmit, retry, validate_action
from tasks.runtime.job_run import JobRun, job_lease
from tasks.runtime.prefect_runs import resume_job
from videojobs.db.models import Json
from videojobs.errors import LeaseLost
from videojobs.testing.fault_injection import current_job_id

_GIVE_UP: Final = "give up"


@flow(name="resolve-job", flow_run_name="{decision}: {job_id}")
async def resolve_job(
    job_id: Annotated[str, Field(min_length=1)],
    decision: OperatorAction,
    reason: Annotated[str, Field(min_length=3, max_length=500)],
    vendor_id: str | None = None,
    accept_the_cost: bool = False,
    unproven: bool = False,
    connections: Connections = Connections(),  # noqa: B008  # frozen
) -> State[Any]:
    """Decide about a job that is parked or has failed; it then continues by itself.

    Args:
        job_id: The job's id, as in its row and on its runs.
        decision: adopt: the vendor has it, under the id below. resubmit: buy its current stage again. retry: continue
            from the failed stage (stored results are kept) or where it was parked. give up: end it as failed.
        reason: The reason, in your words. It is kept in the job's events.
        vendor_id: For adopt: the id that the vendor's dashboard shows for this job.
        accept_the_cost: For resubmit: confirms that the stage is paid for again if the vendor accepted the first one.
        unproven: For adopt: accept the id although the vendor's record does not contain this job's file.
        connections: The blocks to use. Change it only if you keep several sets of credentials.
    """
    current_job_id.set(job_id)
    detail: Json = {"decision": decision, "reason": reason, "flow_run": str(flow_run.get_id())}
    try:
        async with job_lease(job_id, connections) as run:
            if not await is_already_applied(run):
                await validate_action(run, decision, vendor_id, accept_the_cost)
                await _apply(run, decision, detail, vendor_id=vendor_id, unproven=unproven)
    except LeaseLost as error:
        return Failed(name="Conflict", message=f"{error}; cancel that run first, or wait until it has ended")
    if decision == _GIVE_UP:
        return Completed(message=f"Job {job_id} is given up.")
    next_run_id = await resume_job(await (await connections.repository()).get_job(job_id))
    return Completed(message=f"Flow run {next_run_id} continues job {job_id}.")


decide = resolve_job.with_options(name="decide")
"""The flow of the deployment `decide/decide`: calls by the old name, from scripts and schedules, still work."""


async def _apply(run: JobRun, decision: OperatorAction, detail: Json, *, vendor_id: str | None, unproven: bool) -> None:
    match decision:
        case "adopt":
            await adopt(run, str(vendor_id), unproven, detail)
        case "resubmit":
            await resubmit(run, detail)
        case "retry":
            await retry(run, detail)
        case "give up":
            await give_up(run, detail)
