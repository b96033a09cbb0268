"""News of jobs as Prefect events, for automations (`deployments/alerts.py`): what no run's state tells."""

import math
import time
from contextlib import suppress
from typing import Any, Final

from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Failed

from videojobs.errors import JobParked

JOB: Final = "videojobs.job."
"""How the events' resources are called; the job's id follows."""
PARKED: Final = "videojobs.job.parked"
STUCK: Final = "videojobs.job.stuck"
VENDOR: Final = "videojobs.vendor."
"""As above, of events about a vendor, whose name follows."""
NO_ANSWER: Final = "videojobs.vendor.no-answer"


_TOLD_EACH_SECONDS: Final = 600.0
_told_at: dict[str, float] = {}
"""When this process last told of a vendor without answers: thousands of jobs may wait for it."""


def announce_silence(vendor: str, reason: str) -> None:
    """Tell operators that jobs wait for a vendor: every ten minutes at most."""
    now = time.monotonic()
    if now >= _told_at.get(vendor, -math.inf) + _TOLD_EACH_SECONDS:
        _told_at[vendor] = now
        announce(NO_ANSWER, vendor, reason, kind=VENDOR)


def announce(event: str, about: str, reason: str, *, kind: str = JOB) -> None:
    """Nothing depends on it: what goes wrong here is forgotten."""
    with suppress(Exception):
        emit_event(
            event,
            resource={"prefect.resource.id": f"{kind}{about}", "prefect.resource.name": about},
            payload={"reason": reason},
        )


def parked(job_id: str, error: JobParked) -> State[Any]:
    """How a run ends whose job waits for an operator."""
    announce(PARKED, job_id, str(error))
    return Failed(name="Parked", message=str(error))
