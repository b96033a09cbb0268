"""Runs of jobs: how they are started, and which ones wait for a worker."""

import time
from collections.abc import Mapping
from itertools import count
from typing import Any, Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
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

from blocks import Connections
from tasks.runtime.deployment_names import JOB_DEPLOYMENTS
from videojobs.db import VideoJob

JOB_FLOWS: Final = [name.partition("/")[0] for name in JOB_DEPLOYMENTS.values()]
"""Flows whose runs work on jobs."""
TEXT_REMOVAL_FLOW: Final = "remove-text"
TEXT_REMOVAL_RUN_NAME_PREFIX: Final = "remove text from "
"""Prefix of the names of its runs; the job's id follows."""
# Within this time, calls for the same job in the same state return the same run; later, a run that was cancelled before
# it started does not prevent another one.
DEDUP_WINDOW_SECONDS: Final = 300
_PAGE_SIZE: Final = 200  # runs; the server returns no more at once


async def start_deployment_run(
    deployment: str, parameters: Mapping[str, Any], *, idempotency_key: str, client: PrefectClient | None = None
) -> UUID:
    """Start a run; returns its id without waiting for it. Equal keys return the same run."""
    run = await arun_deployment(
        deployment,
        client=client,
        parameters=dict(parameters),
        timeout=0,
        as_subflow=False,
        idempotency_key=idempotency_key,
    )
    return run.id


def connections_parameter(job: VideoJob) -> dict[str, Any]:
    """The parameter `connections` of a run that continues the job, through the blocks that it was created with."""
    return {"connections": Connections.for_job(job.connections).to_run_parameter()}


async def start_job_run(job: VideoJob, *, idempotency_key: str, client: PrefectClient | None = None) -> UUID:
    """A run of the job's deployment with its request."""
    connections = connections_parameter(job) if job.connections else {}
    return await start_deployment_run(
        JOB_DEPLOYMENTS[job.kind],
        {**job.request, "job_id": job.id, **connections},
        idempotency_key=idempotency_key,
        client=client,
    )


async def resume_job(job: VideoJob) -> UUID:
    """A further run of a job. Concurrent calls start one run; of two runs of a job one ends at once."""
    window = int(time.time() // DEDUP_WINDOW_SECONDS)
    return await start_job_run(job, idempotency_key=f"{job.id} {job.updated_at.isoformat()} {window}")


async def scheduled_runs_by_job() -> dict[str, str]:
    """Ids of the runs that no worker has started yet, by job id."""
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
