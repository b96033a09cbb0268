"""The API's calls to Prefect: is it up, and start, stop, resume or retry the runs of a job."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterIdempotencyKey,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from tasks.runtime.deployment_names import RESOLVE_JOB_DEPLOYMENT
from tasks.runtime.prefect_runs import (
    JOB_FLOWS,
    connections_parameter,
    resume_job,
    scheduled_runs_by_job,
    start_deployment_run,
    start_job_run,
)
from videojobs.db import VideoJob
from videojobs.db.repository_base import parse_flow_run_id
from videojobs.errors import RetryableError
from videojobs.states import Status

_HEALTH_CACHE_SECONDS: Final = 2.0  # fifty concurrent uploads cause one health check
_LIVE_STATES: Final = [
    StateType.SCHEDULED,
    StateType.PENDING,
    StateType.RUNNING,
    StateType.PAUSED,
    StateType.CANCELLING,
]


@dataclass(frozen=True, slots=True)
class StoppedRun:
    """A run that was asked to stop. `has_ended`: no worker executes it."""

    run_id: str
    has_ended: bool


class PrefectRuns:
    """Each call takes at most `timeout_seconds`. Raises TimeoutError, PrefectException or httpx.HTTPError."""

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds
        self._healthy_at = -_HEALTH_CACHE_SECONDS
        self._health_lock = asyncio.Lock()
        self._cached_client: PrefectClient | None = None
        self._exit_stack = AsyncExitStack()

    async def close(self) -> None:
        """Close the connections to Prefect."""
        self._cached_client = None
        await self._exit_stack.aclose()

    async def _client(self) -> PrefectClient:
        """Shared: creating one reads the system's certificates and blocks the event loop for 40 ms."""
        if self._cached_client is None:
            client = get_client()
            self._cached_client = await self._exit_stack.enter_async_context(client)
        return self._cached_client

    async def ping(self) -> None:
        """Raises RetryableError while Prefect does not respond, before a client sends two gigabytes in vain."""
        async with asyncio.timeout(self._timeout_seconds), self._health_lock:
            if time.monotonic() - self._healthy_at < _HEALTH_CACHE_SECONDS:
                return
            client = await self._client()
            if (error := await client.api_healthcheck()) is not None:
                raise RetryableError(f"the Prefect server does not respond ({type(error).__name__})")
            self._healthy_at = time.monotonic()

    async def start(self, job: VideoJob) -> UUID:
        """Start the first run of a job. Repeated calls return the same run."""
        async with asyncio.timeout(self._timeout_seconds):
            return await start_job_run(job, idempotency_key=job.id, client=await self._client())

    async def stop(self, job: VideoJob) -> Sequence[StoppedRun]:
        """Cancel the job's runs, as Prefect's own button does. `tasks.runtime.cancellation` then updates the job."""
        async with asyncio.timeout(self._timeout_seconds):
            client = await self._client()
            runs = await _find_live_runs(client, job)
            return [await _request_cancellation(client, run) for run in runs]

    async def resume(self, job: VideoJob) -> UUID:
        """Start another run of a job that has run before."""
        async with asyncio.timeout(self._timeout_seconds):
            return await resume_job(job)

    async def retry(self, job: VideoJob, reason: str) -> UUID:
        """Continue from the failed stage, through the operators' deployment; a cancelled job just gets another run."""
        if job.status == Status.CANCELLED:
            return await self.resume(job)
        async with asyncio.timeout(self._timeout_seconds):
            return await start_deployment_run(
                RESOLVE_JOB_DEPLOYMENT,
                {"job_id": job.id, "decision": "retry", "reason": reason, **connections_parameter(job)},
                idempotency_key=f"{job.id} retry {job.updated_at.isoformat()}",
                client=await self._client(),
            )


async def _find_live_runs(client: PrefectClient, job: VideoJob) -> Sequence[FlowRun]:
    """The lease holder's run, the run that the API started, the run that gave the job its id; else a scheduled run."""
    candidate_ids = {parse_flow_run_id(job.lease_holder or ""), job.id}
    found = [run for text in candidate_ids if (run := await _read_live_run(client, text)) is not None]
    started_here = FlowRunFilter(
        idempotency_key=FlowRunFilterIdempotencyKey(any_=[job.id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_LIVE_STATES)),
    )
    flow = FlowFilter(name=FlowFilterName(any_=JOB_FLOWS))
    found += await client.read_flow_runs(flow_filter=flow, flow_run_filter=started_here)
    if not found and (waiting := (await scheduled_runs_by_job()).get(job.id)):
        found += [run] if (run := await _read_live_run(client, waiting)) else []
    return list({run.id: run for run in found}.values())


async def _read_live_run(client: PrefectClient, run_id: str) -> FlowRun | None:
    """The run with this id, unless it does not exist or has ended."""
    try:
        run = await client.read_flow_run(UUID(run_id))
    except (ObjectNotFound, ValueError):
        return None
    return run if run.state_type in _LIVE_STATES else None


async def _request_cancellation(client: PrefectClient, run: FlowRun) -> StoppedRun:
    """A run that no worker has picked up ends at once, others at their next safe point."""
    if run.state_type is not StateType.CANCELLING:
        await client.set_flow_run_state(run.id, Cancelling())
        run = await client.read_flow_run(run.id)
    return StoppedRun(str(run.id), run.state_type is StateType.CANCELLED)
