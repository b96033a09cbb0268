"""Leaked concurrency slots: the Prefect server counts them as in use, and no job holds them.

A slot has a lease, which expires when its holder dies. But Prefect 3.8 counts the slot in its database before it
records the lease: a server that dies in between has counted a slot that nothing releases.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_run_logger

from blocks import Connections
from tasks.runtime.job_task import job_task
from videojobs.db import JobRepository
from videojobs.providers.registry import providers
from videojobs.settings import TimingSettings

_EXPIRY_SCAN_DELAY: Final = timedelta(minutes=1)  # the server scans for expired leases from time to time
# A job has its slot a moment before its submission is recorded: what is missing twice is leaked.
RECHECK_DELAY_SECONDS = 10.0
# Prefect averages how long a slot is held, for its Retry-After. The smallest value, which changes the average least.
_MIN_OCCUPANCY_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class LeakedSlots:
    """Of the slots `in_use` of a limit, how many no job holds."""

    limit: str
    in_use: int
    leaked: int


def slot_release_timeout() -> timedelta:
    """After this time without a renewal a slot is free."""
    return timedelta(seconds=TimingSettings.current().slot_lease_seconds) + _EXPIRY_SCAN_DELAY


@job_task("find leaked slots", retries=0)
async def find_leaked_slots(connections: Connections) -> list[LeakedSlots]:
    """Limits with more slots in use than jobs can hold, seen twice. Changes nothing."""
    repository = await connections.repository()
    found = []
    async with get_client() as client:
        for provider in providers().values():
            try:
                limit = provider.limits.concurrency.name
            except Exception as error:  # its settings are wrong: the slots of the others must not wait for it
                get_run_logger().warning("Cannot check the slots of %s: %s", provider.display_name, error)
                continue
            first = await _count_leaked_slots(client, repository, provider.key, limit)
            if first.leaked > 0:
                await asyncio.sleep(RECHECK_DELAY_SECONDS)
                second = await _count_leaked_slots(client, repository, provider.key, limit)
                found.append(min(first, second, key=lambda look: look.leaked))
    return [look for look in found if look.leaked > 0]


async def _count_leaked_slots(
    client: PrefectClient, repository: JobRepository, provider: str, limit: str
) -> LeakedSlots:
    try:
        in_use = (await client.read_global_concurrency_limit_by_name(limit)).active_slots
    except ObjectNotFound:
        in_use = 0
    used = await repository.max_slots_in_use(provider, slot_release_timeout())
    return LeakedSlots(limit, in_use, in_use - used)


@job_task("release leaked slots", retries=0)
async def release_leaked_slots(slots: LeakedSlots) -> None:
    """Release them. If one is released too many, the vendor at most asks us to wait."""
    async with get_client() as client:
        await client.release_concurrency_slots([slots.limit], slots.leaked, _MIN_OCCUPANCY_SECONDS)
