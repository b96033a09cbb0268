"""One flow run as a coroutine of a shared process, which can be stopped.

Prefect's engine expects a process for each run: SIGTERM stops it, and a supervisor then sets the run's state. Here the
worker cancels the coroutine, and the engine sets the state itself.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import AwaitingRetry, Cancelled, Crashed, exception_to_crashed_state

from deployments.worker.prefect_compat import ThreadlessRunEngine


class StopReason(Enum):
    """Why a run is stopped."""

    ABANDON = auto()  # the server has decided: the run is cancelled, suspended, or was given to another worker
    REQUEUE = auto()  # this worker stops, and another one continues the run


@dataclass
class CooperativeRunEngine(ThreadlessRunEngine):
    """A run of a deployment, from Pending to its end."""

    stop_reason: StopReason | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the flow's function is reached."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the flow reports that it waits (`videojobs.aio.idle_signal`), and when the run is over."""
    is_finalizing: bool = False
    """Whether its final state is being set: too late to stop it."""
    is_finalized: bool = False
    have_cancellation_hooks_run: bool = False

    @property
    def current_flow_run(self) -> FlowRun:
        assert self.flow_run is not None  # noqa: S101  # `for_flow_run` has set it
        return self.flow_run

    @property
    def run_id(self) -> UUID:
        return self.current_flow_run.id

    def stop(self, reason: StopReason, task: asyncio.Task[None]) -> None:
        """Cancel the run once. A second call, or one while the final state is being set, does nothing."""
        if self.stop_reason is None and not self.is_finalizing:
            self.stop_reason = reason
            task.cancel()

    async def finalize(self, client: PrefectClient, error: BaseException | None) -> None:
        """Set the final state of a run that is over. The state on the server takes precedence."""
        if self.is_finalized or self.state.is_final():
            return
        self.is_finalizing = True
        state = (await client.read_flow_run(self.run_id)).state or self.state
        if state.is_running() or state.is_pending():
            state = await self.propose(client, await self._target_state(error)) or state
        if state.is_cancelling():
            await self.call_hooks(state)
            state = await self.propose(client, Cancelled(message="Stopped by its worker.")) or state
        self.current_flow_run.state = state
        self.is_finalized = True

    async def _target_state(self, error: BaseException | None) -> State[Any] | None:
        match self.stop_reason:
            case StopReason.REQUEUE:
                return AwaitingRetry(message="Its worker stopped; another worker continues the run.")
            case StopReason.ABANDON:
                return None
        if error is None:
            return Crashed(message="The run ended without a result.")
        return await exception_to_crashed_state(error)

    async def handle_crash(self, exc: BaseException) -> None:
        """Prefect also calls this when the coroutine is cancelled, and would crash the run whatever the server says."""
        if self.stop_reason is None:
            await super().handle_crash(exc)
        else:
            await self.finalize(self.client, exc)

    async def call_hooks(self, state: State[Any] | None = None) -> None:
        """Run cancellation hooks once: the server may report Cancelling several times."""
        if (state or self.state).is_cancelling():
            if self.have_cancellation_hooks_run:
                return
            self.have_cancellation_hooks_run = True
        await super().call_hooks(state)

    async def call_flow_fn(self) -> Coroutine[Any, Any, Any]:
        self.started.set()
        return await super().call_flow_fn()
