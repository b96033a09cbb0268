"""The runs that this process has in hand. Everything here happens in their loop."""

import asyncio
from contextlib import AsyncExitStack, suppress
from contextvars import Context, copy_context
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun
from prefect.context import AsyncClientContext, SyncClientContext
from prefect.logging.loggers import flow_run_logger
from prefect.settings import (
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)

from deployments.worker.engine import CooperativeRunEngine, StopReason
from deployments.worker.heartbeat import HeartbeatEmitter
from videojobs.aio.idle_signal import on_idle

# From Pending to the flow's function it is a handful of requests. Prefect also hands out runs that are due in 10 s.
START_WAIT_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class _ActiveRun:
    engine: CooperativeRunEngine
    task: asyncio.Task[None]


class RunManager:
    """Starts runs, stops them, waits for them. They share one client of the Prefect server."""

    def __init__(self, heartbeat_seconds: float) -> None:
        self._heartbeats = HeartbeatEmitter(heartbeat_seconds)
        self._active: dict[UUID, _ActiveRun] = {}
        self._exit_stack = AsyncExitStack()
        self._context = Context()
        self._client: PrefectClient | None = None

    async def open(self) -> None:
        """Make what all runs share, in the context that each of them gets a copy of."""
        self._context = copy_context()
        await asyncio.create_task(self._open_shared_client(), context=self._context)

    async def close(self) -> None:
        await asyncio.create_task(self._exit_stack.aclose(), context=self._context)

    async def _open_shared_client(self) -> None:
        settings: dict[Any, Any] = {
            PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # subflows need no thread either: their parent beats
            PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,  # a worker also starts while the server is away
        }
        self._exit_stack.enter_context(temporary_settings(settings))
        self._exit_stack.enter_context(
            SyncClientContext()
        )  # Prefect's engine makes one for each run, and does not use it
        self._client = (await self._exit_stack.enter_async_context(AsyncClientContext())).client

    async def start(self, flow: Flow[..., Any], flow_run: FlowRun, stop_reason: StopReason | None = None) -> None:
        """Returns when the run has begun, or ended, or waits for its time. With an order, it only gets its last state.

        Raises ParameterBindError.
        """
        engine = CooperativeRunEngine.for_flow_run(flow, flow_run)
        engine.stop_reason = stop_reason
        task = asyncio.create_task(self._run(engine), context=self._context.copy(), name=f"flow run {flow_run.id}")
        self._active[flow_run.id] = _ActiveRun(engine, task)
        with suppress(TimeoutError):
            await asyncio.wait_for(engine.started.wait(), START_WAIT_SECONDS)

    async def wait_until_idle(self, run_id: UUID, timeout: float) -> None:
        """Wait until a run that was started waits for others itself, or is over; no longer than so many seconds."""
        if active_run := self._active.get(run_id):
            with suppress(TimeoutError):
                await asyncio.wait_for(active_run.engine.idle.wait(), timeout)

    async def wait_until_ended(self, run_id: UUID) -> None:
        """Wait for the end of a run that was started."""
        if active_run := self._active.get(run_id):
            await asyncio.wait([active_run.task])

    async def stop(self, run_id: UUID, reason: StopReason) -> None:
        """Stop a run where it is. A paid call that is under way comes to its end first (`tasks.runtime.paid_call`)."""
        if active_run := self._active.get(run_id):
            active_run.engine.stop(reason, active_run.task)

    async def drain(self, timeout: float | None) -> None:
        """Give all runs so many seconds to end by themselves (None: as long as they want), and hand back the others."""
        if self._active:
            await asyncio.wait([active_run.task for active_run in self._active.values()], timeout=timeout)
        for hand in self._active.values():
            hand.engine.stop(StopReason.REQUEUE, hand.task)
        if self._active:
            await asyncio.wait([hand.task for hand in self._active.values()])

    async def _run(self, engine: CooperativeRunEngine) -> None:
        """From start to end, whatever the flow raises: nothing of it gets to the other runs."""
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
                "The server could not be told how this run ended: %s", failure
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
