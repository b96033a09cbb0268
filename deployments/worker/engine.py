"""Prefect's engine for one run, made to share its process: it can be asked to stop, and has no threads of its own.

Prefect's engine counts on a process for each run: SIGTERM stops it, and a supervisor then sets its state. Here the
worker stops it as one stops a coroutine, by cancelling it, and the engine itself sees to its state. Written against
Prefect 3.8.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Self
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Abort, Pause
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.states import AwaitingRetry, Cancelled, Crashed, Pending, exception_to_crashed_state
from prefect.utilities.callables import get_call_parameters, parameters_to_args_kwargs
from prefect.utilities.engine import propose_state


class StopReason(Enum):
    """Why a run is stopped."""

    ABANDON = auto()  # the server has decided: the run is cancelled, suspended, or was given to another worker
    REQUEUE = auto()  # this worker ends, and another one is to go on with the run


@dataclass
class CooperativeRunEngine(AsyncFlowRunEngine[..., Any]):
    """A run of a deployment, from Pending to its end."""

    stop_reason: StopReason | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the flow's function is reached."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the flow has said that it waits for others (`videojobs.aio.idle_signal`), and when the run is over."""
    is_finalizing: bool = False
    """Whether its last state is being settled: it is too late to stop it."""
    _is_finalized: bool = False
    _cancellation_hooks_ran: bool = False

    @classmethod
    def for_flow_run(cls, flow: Flow[..., Any], flow_run: FlowRun) -> Self:
        """Raises a ParameterBindError when the flow does not take these parameters."""
        flow_run.state = flow_run.state or Pending()  # the pool gives out runs without it
        arguments, named = parameters_to_args_kwargs(flow.fn, flow_run.parameters)
        return cls(flow=flow, flow_run=flow_run, parameters=get_call_parameters(flow.fn, arguments, named))

    @property
    def current_flow_run(self) -> FlowRun:
        assert self.flow_run is not None  # noqa: S101  # `of` has set it
        return self.flow_run

    @property
    def run_id(self) -> UUID:
        return self.current_flow_run.id

    async def execute(self) -> None:
        """As `prefect.flow_engine.run_flow_async`, which makes an engine itself. Raises what ends the run otherwise."""
        async with self.start():
            while self.is_running():
                async with self.run_context():
                    _ = await self.call_flow_fn()

    def emit_heartbeat(self) -> None:
        """Prefect's own sign of life. After the end it would only worry those who watch."""
        if not self.state.is_final():
            self._emit_flow_run_heartbeat()

    # ---- how it ends ----------------------------------------------------------------------------------------

    def stop(self, reason: StopReason, task: asyncio.Task[None]) -> None:
        """Once: a second order changes nothing, nor does one that comes when the run is ending."""
        if self.stop_reason is None and not self.is_finalizing:
            self.stop_reason = reason
            task.cancel()

    async def finalize(self, client: PrefectClient, error: BaseException | None) -> None:
        """Give a run that is over the state that it has to have: what the server says of it comes first."""
        if self._is_finalized or self.state.is_final():
            return
        self.is_finalizing = True
        state = (await client.read_flow_run(self.run_id)).state or self.state
        if state.is_running() or state.is_pending():
            state = await self._propose(client, await self._target_state(error)) or state
        if state.is_cancelling():
            await self.call_hooks(state)
            state = await self._propose(client, Cancelled(message="Stopped by its worker.")) or state
        self.current_flow_run.state = state
        self._is_finalized = True

    async def _target_state(self, error: BaseException | None) -> State[Any] | None:
        match self.stop_reason:
            case StopReason.REQUEUE:
                return AwaitingRetry(message="Handed back by its worker, to be run again.")
            case StopReason.ABANDON:
                return None
        if error is None:
            return Crashed(message="The run ended without a result.")
        return await exception_to_crashed_state(error)

    async def _propose(self, client: PrefectClient, state: State[Any] | None) -> State[Any] | None:
        """The state that the server then has the run in; None where it says nothing."""
        with suppress(Abort, Pause):
            return await propose_state(client, state, flow_run_id=self.run_id) if state else None
        return None

    async def handle_crash(self, exc: BaseException) -> None:
        """Prefect comes here also when the coroutine is cancelled, and crashes the run, whatever the server says."""
        if self.stop_reason is None:
            await super().handle_crash(exc)
        else:
            await self.finalize(self.client, exc)

    async def call_hooks(self, state: State[Any] | None = None) -> None:
        """Once for Cancelling: the server may say it more than once."""
        if (state or self.state).is_cancelling():
            if self._cancellation_hooks_ran:
                return
            self._cancellation_hooks_ran = True
        await super().call_hooks(state)

    # ---- what the worker does for all runs ------------------------------------------------------------------

    async def call_flow_fn(self) -> Coroutine[Any, Any, Any]:
        self.started.set()
        return await super().call_flow_fn()

    @property
    def heartbeat_seconds(self) -> None:
        """Prefect has a thread in each run to beat. See `heart.py`."""
        return None

    @contextmanager
    def setup_flow_run_suspension_request(self) -> Iterator[Any]:
        """Prefect has a thread with a websocket in each run to learn of its suspension. See `sweep.py`."""
        yield self._get_flow_run_suspension_request()
