"""Prefect events about jobs that no run state shows, for automations (`deployments/server/alert_automations.py`)."""

import math
import time
from contextlib import suppress
from typing import Any, Final

from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Failed

from videojobs.errors import JobParked

JOB_RESOURCE_PREFIX: Final = "videojobs.job."
"""Prefix of the events' resource ids; the job's id follows."""
JOB_PARKED: Final = "videojobs.job.parked"
JOB_STUCK: Final = "videojobs.job.stuck"
VENDOR_RESOURCE_PREFIX: Final = "videojobs.vendor."
"""The same for events about a vendor, whose name follows."""
VENDOR_NO_ANSWER: Final = "videojobs.vendor.no-answer"


_EMIT_INTERVAL_SECONDS: Final = 600.0
_last_emitted_at: dict[str, float] = {}
"""When this process last reported a vendor as unresponsive: thousands of jobs may wait for it."""


def emit_vendor_unresponsive(vendor: str, reason: str) -> None:
    """Tell operators that jobs wait for a vendor: at most every ten minutes."""
    now = time.monotonic()
    if now >= _last_emitted_at.get(vendor, -math.inf) + _EMIT_INTERVAL_SECONDS:
        _last_emitted_at[vendor] = now
        emit_operator_event(VENDOR_NO_ANSWER, vendor, reason, resource_prefix=VENDOR_RESOURCE_PREFIX)


def emit_operator_event(
    event: str, resource_name: str, reason: str, *, resource_prefix: str = JOB_RESOURCE_PREFIX
) -> None:
    """Nothing depends on it, so errors are ignored."""
    with suppress(Exception):
        emit_event(
            event,
            resource={
                "prefect.resource.id": f"{resource_prefix}{resource_name}",
                "prefect.resource.name": resource_name,
            },
            payload={"reason": reason},
        )


def parked_state(job_id: str, error: JobParked) -> State[Any]:
    """The final state of a run whose job waits for an operator."""
    emit_operator_event(JOB_PARKED, job_id, str(error))
    return Failed(name="Parked", message=str(error))
