"""The active runs of this process. Everything here runs in their event loop."""

import asyncio
from contextlib import AsyncExitStack, suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.logging.loggers import flow_run_logger

from deployments.worker.engine import CooperativeRunEngine, StopReason
from deployments.worker.prefect_compat import shared_client
from deployments.worker.run_heartbeats import HeartbeatEmitter
from videojobs.aio.idle_signal import on_idle

# From Pending to the flow's function it is a handful of requests. A poll also returns runs that are due in 10 s.
START_WAIT_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class _ActiveRun:
    engine: CooperativeRunEngine
    task: asyncio.Task[None]


class RunManager:
    """Starts and stops runs, and waits for them. They share one client of the Prefect server."""

    def __init__(self, heartbeat_seconds: float) -> None:
        self._heartbeats = HeartbeatEmitter(heartbeat_seconds)
        self._active: dict[UUID, _ActiveRun] = {}
        self._exit_stack = AsyncExitStack()
        self._context = Context()
        self._client: PrefectClient | None = None

    async def open(self) -> None:
        """Open the shared client in a context of its own; each run gets a copy of that context."""
        self._context = copy_context()
        await asyncio.create_task(self._open_shared_client(), context=self._context)

    async def close(self) -> None:
        await asyncio.create_task(self._exit_stack.aclose(), context=self._context)

    async def _open_shared_client(self) -> None:
        self._client = await self._exit_stack.enter_async_context(shared_client())

    async def start(self, flow: Flow[..., Any], flow_run: FlowRun, stop_reason: StopReason | None = None) -> None:
        """Start a run; returns once its flow began or ended, after 3 s at most.

        With `stop_reason`, the flow is not called and only the run's final state is set. Raises ParameterBindError.
        """
        engine = CooperativeRunEngine.for_flow_run(flow, flow_run)
        engine.stop_reason = stop_reason
        task = asyncio.create_task(self._run(engine), context=self._context.copy(), name=f"flow run {flow_run.id}")
        self._active[flow_run.id] = _ActiveRun(engine, task)
        with suppress(TimeoutError):
            await asyncio.wait_for(engine.started.wait(), START_WAIT_SECONDS)

    async def wait_until_idle(self, run_id: UUID, timeout: float) -> None:
        """Wait until the run reports that it waits, or is over; at most `timeout` seconds."""
        if active_run := self._active.get(run_id):
            with suppress(TimeoutError):
                await asyncio.wait_for(active_run.engine.idle.wait(), timeout)

    async def wait_until_ended(self, run_id: UUID) -> None:
        if active_run := self._active.get(run_id):
            await asyncio.wait([active_run.task])

    async def stop(self, run_id: UUID, reason: StopReason) -> None:
        """Stop a run where it is. A paid call in progress completes first (`tasks.runtime.paid_call`)."""
        if active_run := self._active.get(run_id):
            active_run.engine.stop(reason, active_run.task)

    async def drain(self, timeout: float | None) -> None:
        """Let all runs end by themselves within `timeout` seconds (None: no limit), then stop and requeue the rest."""
        if self._active:
            await asyncio.wait([active_run.task for active_run in self._active.values()], timeout=timeout)
        for active_run in self._active.values():
            active_run.engine.stop(StopReason.REQUEUE, active_run.task)
        if self._active:
            await asyncio.wait([active_run.task for active_run in self._active.values()])

    async def _run(self, engine: CooperativeRunEngine) -> None:
        """The run from start to end. Nothing that the flow raises reaches the other runs."""
        error: BaseException | None = None
        on_idle(engine.idle.set)
        try:
            if engine.stop_reason is None:
                self._heartbeats.start(engine)
                await engine.execute()
        except BaseException as raised:
            error = raised
        try:
            await engine.finalize(self._shared_client, error)
        except Exception as failure:
            flow_run_logger(engine.current_flow_run, engine.flow).error(
                "Cannot report the final state of this run to the Prefect server: %s", failure
            )
        finally:
            self._heartbeats.stop(engine.run_id)
            del self._active[engine.run_id]
            engine.started.set()
            engine.idle.set()

    @property
    def _shared_client(self) -> PrefectClient:
        assert self._client is not None  # noqa: S101  # `open` has set it
        return self._client
