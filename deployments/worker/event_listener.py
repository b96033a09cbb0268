"""The events of a pool's runs, as they happen. Prefect's own worker only polls.

Events may get lost, so nothing depends on them: the poll also finds new runs, and the orphan scan finds stopped ones.
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter

_RUN_PREFIX: Final = "prefect.flow-run."
STOP_EVENTS: Final = frozenset({f"{_RUN_PREFIX}Suspended", f"{_RUN_PREFIX}Cancelling"})
"""Events after which a run must stop where it is."""
# The names of states in which a pool gives a run to a worker.
_RUNNABLE_STATES: Final = ("Scheduled", "AwaitingRetry", "Resuming")


async def listen(pool_id: UUID, on_event: Callable[[str, UUID], None]) -> None:
    """Call `on_event` with the event's name and the run's id, until the connection ends. Raises what ends it."""
    event_filter = EventFilter(
        event=EventNameFilter(name=[*STOP_EVENTS, *(f"{_RUN_PREFIX}{state}" for state in _RUNNABLE_STATES)]),
        any_resource=EventAnyResourceFilter(id=[f"prefect.work-pool.{pool_id}"]),
    )
    async with get_events_subscriber(filter=event_filter) as events:
        async for event in events:
            on_event(event.event, UUID(event.resource.id.removeprefix(_RUN_PREFIX)))
