"""What Prefect's server tells about the runs of a pool, as it happens. A worker of Prefect's own polls only.

Events may get lost, so nothing depends on them: the poll finds new runs too, and the sweep finds what was stopped.
"""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from prefect.events.clients import get_events_subscriber
from prefect.events.filters import EventAnyResourceFilter, EventFilter, EventNameFilter

_RUN: Final = "prefect.flow-run."
STOPPED: Final = frozenset({f"{_RUN}Suspended", f"{_RUN}Cancelling"})
"""Events after which a run has to stop where it is."""
# The names of states in which the pool gives a run out.
_TO_BE_RUN: Final = ("Scheduled", "AwaitingRetry", "Resuming")


async def listen(pool: UUID, heard: Callable[[str, UUID], None]) -> None:
    """Call `heard` with the name of the event and the run, until the connection ends. Raises what ends it."""
    told = EventFilter(
        event=EventNameFilter(name=[*STOPPED, *(f"{_RUN}{state}" for state in _TO_BE_RUN)]),
        any_resource=EventAnyResourceFilter(id=[f"prefect.work-pool.{pool}"]),
    )
    async with get_events_subscriber(filter=told) as events:
        async for event in events:
            heard(event.event, UUID(event.resource.id.removeprefix(_RUN)))
