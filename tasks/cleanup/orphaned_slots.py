"""Places at a vendor that are counted as taken, and that no job has.

A place has a lease, which runs out when its holder dies. But Prefect 3.8 counts the place in its database first and
notes the lease after that: a server that dies in between has counted a place that nothing gives back, for ever.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound

from blocks import Connections
from tasks.runtime.concurrency import GHOSTCUT_WORKS, SYNC_SO_GENERATIONS
from tasks.runtime.job_task import job_task
from videojobs.db import JobRepository
from videojobs.settings import TimingSettings
from videojobs.states import Stage

_STAGE_BY_LIMIT: Final[Mapping[str, Stage]] = {SYNC_SO_GENERATIONS: Stage.LIP_SYNC, GHOSTCUT_WORKS: Stage.TEXT_REMOVAL}
_EXPIRY_SCAN_DELAY: Final = timedelta(minutes=1)  # the server looks for leases that ran out every now and then
# A job has its place a moment before its submission is on the books: what is missing twice is missing.
RECHECK_DELAY_SECONDS = 10.0
# Prefect keeps the average time that a place is taken for, to say how long to wait. Its smallest, which tells little.
_MIN_OCCUPANCY_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class LeakedSlots:
    """So many of the `taken` places of a limit are nobody's."""

    limit: str
    in_use: int
    leaked: int


def slot_release_timeout() -> timedelta:
    """How long after its holder's last sign of life a place is free at the latest."""
    return timedelta(seconds=TimingSettings.current().slot_lease_seconds) + _EXPIRY_SCAN_DELAY


@job_task("find lost places", retries=0)
async def find_leaked_slots(connections: Connections) -> list[LeakedSlots]:
    """More places taken than jobs may have, seen twice. Nothing is changed."""
    repository = await connections.repository()
    found = []
    async with get_client() as client:
        for limit, stage in _STAGE_BY_LIMIT.items():
            first = await _count_leaked_slots(client, repository, limit, stage)
            if first.leaked > 0:
                await asyncio.sleep(RECHECK_DELAY_SECONDS)
                second = await _count_leaked_slots(client, repository, limit, stage)
                found.append(min(first, second, key=lambda look: look.leaked))
    return [look for look in found if look.leaked > 0]


async def _count_leaked_slots(
    client: PrefectClient, repository: JobRepository, limit: str, stage: Stage
) -> LeakedSlots:
    try:
        in_use = (await client.read_global_concurrency_limit_by_name(limit)).active_slots
    except ObjectNotFound:
        in_use = 0
    return LeakedSlots(limit, in_use, in_use - await repository.max_slots_in_use(stage, slot_release_timeout()))


@job_task("give back lost places", retries=0)
async def release_leaked_slots(slots: LeakedSlots) -> None:
    """Count them as free. One too many would only mean that a vendor says "wait"."""
    async with get_client() as client:
        await client.release_concurrency_slots([slots.limit], slots.leaked, _MIN_OCCUPANCY_SECONDS)
