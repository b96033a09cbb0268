"""What Prefect's server tells about the runs of a pool, as it happens. A worker of Prefect's own polls only.

Events may get lost, so nothing depends on them: the poll finds new runs too, and the sweep finds what was stopped.
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter

_RUN_PREFIX: Final = "prefect.flow-run."
STOP_EVENTS: Final = frozenset({f"{_RUN_PREFIX}Suspended", f"{_RUN_PREFIX}Cancelling"})
"""Events after which a run has to stop where it is."""
# The names of states in which the pool gives a run out.
_RUNNABLE_STATES: Final = ("Scheduled", "AwaitingRetry", "Resuming")


async def listen(pool_id: UUID, on_event: Callable[[str, UUID], None]) -> None:
    """Call `heard` with the name of the event and the run, until the connection ends. Raises what ends it."""
    event_filter = EventFilter(
        event=EventNameFilter(name=[*STOP_EVENTS, *(f"{_RUN_PREFIX}{state}" for state in _RUNNABLE_STATES)]),
        any_resource=EventAnyResourceFilter(id=[f"prefect.work-pool.{pool_id}"]),
    )
    async with get_events_subscriber(filter=event_filter) as events:
        async for event in events:
            on_event(event.event, UUID(event.resource.id.removeprefix(_RUN_PREFIX)))
