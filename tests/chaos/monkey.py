"""Kills services of the stack at random, and restarts them a moment later, as process managers do."""

import asyncio
import time
from collections import Counter
from random import Random
from typing import Final

from deployments.local.stack.errors import ServiceFailed
from deployments.local.stack.process import Process
from tests.fault_injection.harness import FaultHarness, wait_until
from tests.support.worker_pool import start_and_wait

ONE_WORKER: Final = "one of the workers"
# Relative frequencies, out of a hundred kills.
KILL_WEIGHTS: Final = {ONE_WORKER: 52, "postgres": 14, "object_store": 12, "prefect_server": 12, "api": 10}
KILL_INTERVAL: Final = (3.0, 12.0)  # seconds between two kills
DOWNTIME: Final = (0.0, 5.0)  # seconds until a killed service is restarted


class Monkey:
    """`kills` counts the actual kills by service."""

    def __init__(self, harness: FaultHarness, rng: Random) -> None:
        self._harness = harness
        self._rng = rng
        self._restarting: dict[object, asyncio.Task[None]] = {}
        self.kills: Counter[str] = Counter()

    async def run(self, seconds: float) -> None:
        """Run for this time; returns when everything that was killed runs again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(self._rng.uniform(*KILL_INTERVAL))
            [name] = self._rng.choices(list(KILL_WEIGHTS), list(KILL_WEIGHTS.values()))
            victim = self._rng.choice(self._harness.worker_pool.workers) if name == ONE_WORKER else name
            if victim not in self._restarting:  # otherwise it is already down
                self.kills[name] += 1
                killing = self._kill_and_restart(victim, self._rng.uniform(*DOWNTIME))
                self._restarting[victim] = asyncio.create_task(killing)
        await asyncio.gather(*self._restarting.values())

    async def _kill_and_restart(self, victim: Process | str, downtime: float) -> None:
        """The next kill may happen while this service is still down."""
        name = victim.name if isinstance(victim, Process) else victim
        print(f"{time.strftime('%H:%M:%S')} kill -9 {name}, back in {downtime:.1f} s", flush=True)
        if isinstance(victim, Process):
            await victim.kill()
        else:
            await self._harness.kill_service(victim)
        await asyncio.sleep(downtime)
        await wait_until(lambda: self._try_restart(victim))
        del self._restarting[victim]

    async def _try_restart(self, victim: Process | str) -> bool:
        if not isinstance(victim, Process):
            return await self._harness.try_restart(victim)
        try:
            await start_and_wait(victim)
        except ServiceFailed:
            return False
        return True
