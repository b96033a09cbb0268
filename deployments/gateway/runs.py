"""The front door's dealings with Prefect: whether it is there, and the runs of a job."""

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
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from tasks.run_again import DEPLOYMENT, run_again, waiting_runs
from videojobs.errors import Retryable
from videojobs.ledger import VideoJob
from videojobs.ledger.books import run_of
from videojobs.states import Status

DECIDE: Final = "decide/decide"
_BELIEVED_SECONDS: Final = 2.0  # that Prefect is there: fifty uploads at once ask it once
_LIVE: Final = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED, StateType.CANCELLING]


@dataclass(frozen=True, slots=True)
class Stopping:
    """A run that was told to stop; `ended` where nobody works on it any more."""

    run_id: str
    ended: bool


class Runs:
    """Each call is bounded by `patience` seconds and raises TimeoutError, an error of Prefect's or of httpx."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._seen_up = -_BELIEVED_SECONDS
        self._asking = asyncio.Lock()
        self._known: PrefectClient | None = None
        self._open = AsyncExitStack()

    async def close(self) -> None:
        """Let go of the connections to Prefect."""
        self._known = None
        await self._open.aclose()

    async def _client(self) -> PrefectClient:
        """One for all: each reads the system's certificates first, and nobody is served in these 40 ms."""
        if self._known is None:
            client = get_client()
            self._known = await self._open.enter_async_context(client)
        return self._known

    async def check(self) -> None:
        """Raises Retryable while Prefect does not answer: better before two gigabytes are sent than after."""
        async with asyncio.timeout(self._patience), self._asking:
            if time.monotonic() - self._seen_up < _BELIEVED_SECONDS:
                return
            client = await self._client()
            if (error := await client.api_healthcheck()) is not None:
                raise Retryable(f"the Prefect server does not answer ({type(error).__name__})")
            self._seen_up = time.monotonic()

    async def start(self, job: VideoJob) -> UUID:
        """The first run of a job. Asked again, it gives the same run."""
        async with asyncio.timeout(self._patience):
            run = await arun_deployment(
                DEPLOYMENT,
                client=await self._client(),
                parameters={**job.request, "job_id": job.id, "connections": job.connections},
                timeout=0,
                as_subflow=False,
                idempotency_key=job.id,
            )
            return run.id

    async def stop(self, job: VideoJob) -> Sequence[Stopping]:
        """Cancel the runs of a job, as the button in Prefect does; what becomes of the job is `tasks.cancelling`'s."""
        async with asyncio.timeout(self._patience):
            client = await self._client()
            runs = await _live_runs(client, job)
            return [await _stopped(client, run) for run in runs]

    async def go_on(self, job: VideoJob) -> UUID:
        """Another run of a job that has begun."""
        async with asyncio.timeout(self._patience):
            return await run_again(job)

    async def retry(self, job: VideoJob, reason: str) -> UUID:
        """From the failed stage, through the deployment that operators decide with; a cancelled job just runs."""
        if job.status == Status.CANCELLED:
            return await self.go_on(job)
        async with asyncio.timeout(self._patience):
            run = await arun_deployment(
                DECIDE,
                client=await self._client(),
                parameters={
                    "job_id": job.id,
                    "decision": "retry",
                    "reason": reason,
                    "connections": job.connections,
                },
                timeout=0,
                as_subflow=False,
                idempotency_key=f"{job.id} retry {job.updated_at.isoformat()}",
            )
            return run.id


async def _live_runs(client: PrefectClient, job: VideoJob) -> Sequence[FlowRun]:
    """Who holds the job, whom this door started, whom the job is named after; else whoever waits for a worker."""
    named = {run_of(job.lease_holder or ""), job.id}
    found = [run for text in named if (run := await _run(client, text)) is not None]
    ours = FlowRunFilter(
        idempotency_key=FlowRunFilterIdempotencyKey(any_=[job.id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_LIVE)),
    )
    flow = FlowFilter(name=FlowFilterName(any_=[DEPLOYMENT.split("/")[0]]))
    found += await client.read_flow_runs(flow_filter=flow, flow_run_filter=ours)
    if not found and (waiting := (await waiting_runs()).get(job.id)):
        found += [run] if (run := await _run(client, waiting)) else []
    return list({run.id: run for run in found}.values())


async def _run(client: PrefectClient, text: str) -> FlowRun | None:
    """The run of this id, if it is one and has not ended."""
    try:
        run = await client.read_flow_run(UUID(text))
    except (ObjectNotFound, ValueError):
        return None
    return run if run.state_type in _LIVE else None


async def _stopped(client: PrefectClient, run: FlowRun) -> Stopping:
    """A run that no worker has taken ends at once; the others end at their next safe point."""
    if run.state_type is not StateType.CANCELLING:
        await client.set_flow_run_state(run.id, Cancelling())
        run = await client.read_flow_run(run.id)
    return Stopping(str(run.id), run.state_type is StateType.CANCELLED)
