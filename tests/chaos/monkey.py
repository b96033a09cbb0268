"""Kills parts of the stack at random, and starts them again a moment later, as their machines' managers would."""

import asyncio
import time
from collections import Counter
from random import Random
from typing import Final

from deployments.local.errors import PartFailed
from deployments.local.process import Process
from tests.crash.bench import Bench, until
from tests.worker.crew import begun

ONE_WORKER: Final = "one of the workers"
# How often each is killed, out of a hundred kills.
WEIGHTS: Final = {ONE_WORKER: 52, "postgres": 14, "object_store": 12, "prefect_server": 12, "gateway": 10}
CALM: Final = (3.0, 12.0)  # seconds between two kills
AWAY: Final = (0.0, 5.0)  # seconds until a killed part is started again


class Monkey:
    """`kills` counts by part what was really killed."""

    def __init__(self, bench: Bench, chance: Random) -> None:
        self._bench = bench
        self._chance = chance
        self._restarting: dict[object, asyncio.Task[None]] = {}
        self.kills: Counter[str] = Counter()

    async def rage(self, seconds: float) -> None:
        """For so long; returns when everything that was killed runs again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(self._chance.uniform(*CALM))
            [name] = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
            victim = self._chance.choice(self._bench.crew.workers) if name == ONE_WORKER else name
            if victim not in self._restarting:  # else it is away already
                self.kills[name] += 1
                killing = self._kill(victim, self._chance.uniform(*AWAY))
                self._restarting[victim] = asyncio.create_task(killing)
        await asyncio.gather(*self._restarting.values())

    async def _kill(self, victim: Process | str, away: float) -> None:
        """The next kill may come while this part is still away."""
        name = victim.name if isinstance(victim, Process) else victim
        print(f"{time.strftime('%H:%M:%S')} kill -9 {name}, back in {away:.1f} s", flush=True)
        if isinstance(victim, Process):
            await victim.kill()
        else:
            await self._bench.lose(victim)
        await asyncio.sleep(away)
        await until(lambda: self._is_back(victim))
        del self._restarting[victim]

    async def _is_back(self, victim: Process | str) -> bool:
        if not isinstance(victim, Process):
            return await self._bench.bring_back(victim)
        try:
            await begun(victim)
        except PartFailed:
            return False
        return True
