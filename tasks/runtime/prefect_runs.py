"""Runs that go on with a job: the same deployment, the same request, the same job id."""

import time
from itertools import count
from typing import Final
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterName,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.deployments import arun_deployment

from videojobs.db import VideoJob
from videojobs.states import JobKind

JOB_DEPLOYMENTS: Final = {JobKind.PRO_VIDEO: "pro-video/pro-video", JobKind.LECTURE: "lecture/lecture"}
JOB_FLOWS: Final = [name.partition("/")[0] for name in JOB_DEPLOYMENTS.values()]
"""Whose runs work on jobs."""
TEXT_REMOVAL_FLOW: Final = "remove-text"
TEXT_REMOVAL_RUN_NAME_PREFIX: Final = "remove text from "
"""How the name of a run of it begins; the job's id follows."""
# Whoever asks for the same job in the same state within this time gets the same run; later, a run that was
# cancelled before it began does not stand in the way of another one.
DEDUP_WINDOW_SECONDS: Final = 300
_PAGE_SIZE: Final = 200  # runs; the server gives no more at once


async def start_run(job: VideoJob) -> UUID:
    """Gives the id of the flow run. Asked twice at once, it is one run; and of two runs one steps aside."""
    window = int(time.time() // DEDUP_WINDOW_SECONDS)
    found = await arun_deployment(
        JOB_DEPLOYMENTS[job.kind],
        parameters={**job.request, "job_id": job.id, **({"connections": job.connections} if job.connections else {})},
        timeout=0,
        as_subflow=False,
        idempotency_key=f"{job.id} {job.updated_at.isoformat()} {window}",
    )
    return found.id


async def scheduled_runs_by_job() -> dict[str, str]:
    """The runs that no worker has taken yet: their ids, by the ids of their jobs."""
    deployments = [name.partition("/")[2] for name in JOB_DEPLOYMENTS.values()]
    scheduled = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
    found: dict[str, str] = {}
    async with get_client() as client:
        for offset in count(0, _PAGE_SIZE):
            page = await client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=JOB_FLOWS)),
                deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=deployments)),
                flow_run_filter=FlowRunFilter(state=scheduled),
                limit=_PAGE_SIZE,
                offset=offset,
            )
            found |= {str(run.parameters.get("job_id") or run.id): str(run.id) for run in page}
            if len(page) < _PAGE_SIZE:
                break
    return found
