"""The only file that touches Prefect's private API: its engine for one run, and the protected parts of its worker.

Prefect promises nothing about these. They are given public names here, and the rest of the worker uses those only.
Written against Prefect 3.8. `tests/integration/worker/test_prefect_compat.py` names what a later version has changed.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Set
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from logging import Logger, LoggerAdapter
from typing import Any, Final, Generic, Self, TypeVar
from uuid import UUID

from prefect import Flow
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.context import AsyncClientContext, SyncClientContext
from prefect.exceptions import Abort, Pause
from prefect.flow_engine import AsyncFlowRunEngine
from prefect.settings import (
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)
from prefect.states import Pending
from prefect.utilities.callables import get_call_parameters, parameters_to_args_kwargs
from prefect.utilities.engine import propose_state
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult

ConfigurationT = TypeVar("ConfigurationT", bound=BaseJobConfiguration)
VariablesT = TypeVar("VariablesT", bound=BaseVariables)
ResultT = TypeVar("ResultT", bound=BaseWorkerResult)
WorkerLogger = Logger | LoggerAdapter[Any]

_SHARED_SETTINGS: Final[dict[Any, Any]] = {
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,  # no heartbeat thread in a subflow either: its parent run sends heartbeats
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False,  # a worker also starts while the server is down
}


@asynccontextmanager
async def shared_client() -> AsyncIterator[PrefectClient]:
    """One client for all runs that start in this context, where Prefect's engine opens two for each run."""
    with temporary_settings(_SHARED_SETTINGS), SyncClientContext():
        async with AsyncClientContext() as context:
            yield context.client


@dataclass
class ThreadlessRunEngine(AsyncFlowRunEngine[..., Any]):
    """Prefect's engine for one run, without the threads that it keeps for each run."""

    @classmethod
    def for_flow_run(cls, flow: Flow[..., Any], flow_run: FlowRun) -> Self:
        """Raises ParameterBindError when the flow does not accept the run's parameters."""
        flow_run.state = flow_run.state or Pending()  # a work pool's response leaves the state out
        arguments, named = parameters_to_args_kwargs(flow.fn, flow_run.parameters)
        return cls(flow=flow, flow_run=flow_run, parameters=get_call_parameters(flow.fn, arguments, named))

    async def execute(self) -> None:
        """The loop of `prefect.flow_engine.run_flow_async`, which makes an engine itself. Raises as it does."""
        async with self.start():
            while self.is_running():
                async with self.run_context():
                    _ = await self.call_flow_fn()

    def emit_heartbeat(self) -> None:
        """Send Prefect's own heartbeat event. Not after the end, where it would start the silence timer again."""
        if not self.state.is_final():
            self._emit_flow_run_heartbeat()

    async def propose(self, client: PrefectClient, state: State[Any] | None) -> State[Any] | None:
        """The state in which the server then has the run; None where it accepts none."""
        if self.flow_run is None or state is None:
            return None
        with suppress(Abort, Pause):
            return await propose_state(client, state, flow_run_id=self.flow_run.id)
        return None

    @property
    def heartbeat_seconds(self) -> None:
        """None turns off Prefect's heartbeat thread. See `run_heartbeats.py`."""
        return None

    @contextmanager
    def setup_flow_run_suspension_request(self) -> Iterator[Any]:
        """Prefect listens for a suspension in a thread with a websocket for each run. See `orphan_scan.py`."""
        yield self._get_flow_run_suspension_request()


class CompatJobConfiguration(BaseJobConfiguration):
    """Prefect's job configuration, which keeps what the worker's events refer to in a private field."""

    def set_related_objects(self, related: dict[str, Any]) -> None:
        """Prefect's objects by kind: `flow`, `flow-run`, `deployment`."""
        self._related_objects = related


class CompatWorker(BaseWorker[ConfigurationT, VariablesT, ResultT], ABC, Generic[ConfigurationT, VariablesT, ResultT]):
    """Prefect's worker, with public names for the protected parts that ours overrides and calls.

    ABC among the bases keeps Prefect from registering this class as a worker type.
    """

    @property
    def logger(self) -> WorkerLogger:
        return self._logger

    @property
    def pool_name(self) -> str:
        return self._work_pool_name

    @property
    def submitting_run_ids(self) -> Set[UUID]:
        """Runs between a poll and the start of their flow."""
        return self._submitting_flow_run_ids

    def drop_submission(self, run_id: UUID) -> None:
        """Forget a run of the last poll before anything was done with it."""
        self._release_limit_slot(run_id)
        self._submitting_flow_run_ids.discard(run_id)

    def start_soon(self, function: Callable[[UUID], Coroutine[Any, Any, None]], run_id: UUID) -> None:
        """Run it in the background, unless the worker has stopped."""
        if self._runs_task_group is not None:
            self._runs_task_group.start_soon(function, run_id)

    async def fail_run(self, flow_run: FlowRun, error: Exception) -> None:
        """Propose Failed: a run that can never start would be Crashed, and started again and again."""
        await self._propose_failed_state(flow_run, error)

    # ---- called by Prefect, extended by our worker ----------------------------------------------------------

    async def _sync_and_initialize(self) -> None:
        await self.sync()

    async def sync(self) -> None:
        """Send the worker's heartbeat and read its pool."""
        await super()._sync_and_initialize()

    async def _submit_scheduled_flow_runs(self, flow_run_response: list[WorkerFlowRunResponse]) -> list[FlowRun]:
        return await self.submit_polled_runs(flow_run_response)

    async def submit_polled_runs(self, responses: list[WorkerFlowRunResponse]) -> list[FlowRun]:
        """Submit the runs that a poll returned; gives those that are being submitted."""
        return await super()._submit_scheduled_flow_runs(responses)

    async def _submit_run(self, flow_run: FlowRun) -> None:
        await self.submit_run(flow_run)

    async def submit_run(self, flow_run: FlowRun) -> None:
        """Take one run from Scheduled to the start of its flow."""
        await super()._submit_run(flow_run)

    async def _cancel_run(self, flow_run_id: UUID) -> None:
        await self.stop_run(flow_run_id)

    @abstractmethod
    async def stop_run(self, run_id: UUID) -> None:
        """Stop a run that was cancelled or suspended."""
