"""Runs of the pool that nobody sees to: their worker died in the wrong moment, or an event of Prefect's got lost.

A running job whose worker dies falls silent, and an automation sees to it
(`deployments/server/recovery_automations.py`). It cannot do so for a run that was just being taken up, nor for one that
is being cancelled: Prefect lets that one only be Cancelled.
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

# A run that is being cancelled has given signs of life before, if it is in anybody's hands. One that is being taken up
# has not yet.
CANCELLATION_GRACE: Final = timedelta(seconds=10)
_TRANSITIONAL_RUNS: Final = FlowRunFilter(
    state=FlowRunFilterState(
        type=FlowRunFilterStateType(any_=[StateType.PENDING, StateType.CANCELLING, StateType.PAUSED])
    )
)


async def list_transitional_runs(client: PrefectClient, pool: str) -> Sequence[FlowRun]:
    """Runs of the pool that are being taken up, cancelled, or are suspended."""
    pool_filter = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    return await client.read_flow_runs(flow_run_filter=_TRANSITIONAL_RUNS, work_pool_filter=pool_filter)


async def is_orphaned(client: PrefectClient, run: FlowRun, heartbeat_timeout: timedelta) -> bool:
    """Whether a run has stayed Pending or Cancelling, and given no sign of life for as long as `silence`."""
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
    """Somebody has cancelled it, or suspended it (a flow that pauses itself goes on waiting in its own process)."""
    state = run.state
    return state is not None and (state.is_cancelling() or (state.is_paused() and state.name == "Suspended"))
