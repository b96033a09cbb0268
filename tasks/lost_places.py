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
from tasks.slots import GHOSTCUT_WORKS, SYNC_SO_GENERATIONS
from tasks.steps import step
from videojobs.ledger import Ledger
from videojobs.settings import Timings
from videojobs.states import Stage

_LIMITS: Final[Mapping[str, Stage]] = {SYNC_SO_GENERATIONS: Stage.LIP_SYNC, GHOSTCUT_WORKS: Stage.TEXT_REMOVAL}
_LATE: Final = timedelta(minutes=1)  # the server looks for leases that ran out every now and then
# A job has its place a moment before its submission is on the books: what is missing twice is missing.
PAUSE_SECONDS = 10.0
# Prefect keeps the average time that a place is taken for, to say how long to wait. Its smallest, which tells little.
_OCCUPIED_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class LostPlaces:
    """So many of the `taken` places of a limit are nobody's."""

    limit: str
    taken: int
    lost: int


def until_free() -> timedelta:
    """How long after its holder's last sign of life a place is free at the latest."""
    return timedelta(seconds=Timings().place_lease_seconds) + _LATE


@step("find lost places", retries=0)
async def find_lost_places(connections: Connections) -> list[LostPlaces]:
    """More places taken than jobs may have, seen twice. Nothing is changed."""
    ledger = await connections.ledger()
    found = []
    async with get_client() as client:
        for limit, stage in _LIMITS.items():
            first = await _look(client, ledger, limit, stage)
            if first.lost > 0:
                await asyncio.sleep(PAUSE_SECONDS)
                second = await _look(client, ledger, limit, stage)
                found.append(min(first, second, key=lambda look: look.lost))
    return [look for look in found if look.lost > 0]


async def _look(client: PrefectClient, ledger: Ledger, limit: str, stage: Stage) -> LostPlaces:
    try:
        taken = (await client.read_global_concurrency_limit_by_name(limit)).active_slots
    except ObjectNotFound:
        taken = 0
    return LostPlaces(limit, taken, taken - await ledger.places(stage, until_free()))


@step("give back lost places", retries=0)
async def give_back(places: LostPlaces) -> None:
    """Count them as free. One too many would only mean that a vendor says "wait"."""
    async with get_client() as client:
        await client.release_concurrency_slots([places.limit], places.lost, _OCCUPIED_SECONDS)
