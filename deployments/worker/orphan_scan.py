"""Runs of the pool that no worker handles: their worker died at the wrong moment, or an event of Prefect's got lost.

When the worker of a running job dies, heartbeats stop and an automation restarts the run
(`deployments/server/recovery_automations.py`). Not so for a run that was Pending, nor for one that is Cancelling:
Prefect only lets the latter become Cancelled.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter

# Shorter than the heartbeat timeout: a Cancelling run with a worker has sent heartbeats before, a Pending one has not.
CANCELLATION_GRACE: Final = timedelta(seconds=10)
_TRANSITIONAL_RUNS: Final = FlowRunFilter(
    state=FlowRunFilterState(
        type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.CANCELLING, StateType.PAUSED])
    )
)


async def list_transitional_runs(client: PrefectClient, pool: str) -> Sequence[FlowRun]:
    """Runs of the pool that are Pending, Cancelling or suspended."""
    pool_filter = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    return await client.read_flow_runs(flow_run_filter=_TRANSITIONAL_RUNS, work_pool_filter=pool_filter)


async def is_orphaned(client: PrefectClient, run: FlowRun, heartbeat_timeout: timedelta) -> bool:
    """Whether a run is Pending or Cancelling, and has sent no heartbeat within `heartbeat_timeout`."""
    now = datetime.now(UTC)
    if run.state is None or run.state.is_paused():
        return False
    if run.state.timestamp > now - (CANCELLATION_GRACE if run.state.is_cancelling() else heartbeat_timeout):
        return False
    heartbeats = EventFilter(
        event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
        resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
        occurred=EventOccurredFilter(since=now - heartbeat_timeout),
    )
    return not (await client.read_events(heartbeats, limit=1)).events


def is_stop_requested(run: FlowRun) -> bool:
    """Whether it was cancelled or suspended (a flow that pauses itself keeps waiting in its process)."""
    state = run.state
    return state is not None and (state.is_cancelling() or (state.is_paused() and state.name == "Suspended"))
