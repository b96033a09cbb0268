"""Kills parts of the stack at random, and starts them again a moment later, as their machines' managers would."""

import asyncio
import os
import signal
import time
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Final

import psutil

from deployments.local.marking import MARK_VARIABLE, folder_mark, marked
from deployments.local.stack import Stack
from tests.crash.bench import restarted, until

RUN: Final = "a flow run's process"
# How often each is killed, out of a hundred kills.
WEIGHTS: Final = {RUN: 40, "worker": 12, "postgres": 14, "object_store": 12, "prefect_server": 12, "gateway": 10}
CALM: Final = (3.0, 12.0)  # seconds between two kills
AWAY: Final = (0.0, 5.0)  # seconds until a killed part is started again


class Monkey:
    """`kills` counts by part what was really killed."""

    def __init__(self, stack: Stack, chance: Random) -> None:
        self._stack = stack
        self._chance = chance
        self._restarting: dict[str, asyncio.Task[None]] = {}
        self.kills: Counter[str] = Counter()

    async def rage(self, seconds: float) -> None:
        """For so long; returns when everything that was killed runs again."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(self._chance.uniform(*CALM))
            [victim] = self._chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
            if victim == RUN:
                await self._kill_a_run()
            elif victim not in self._restarting and self._stack.has(victim):
                self._restarting[victim] = asyncio.create_task(self._kill(victim, self._chance.uniform(*AWAY)))
        await asyncio.gather(*self._restarting.values())

    async def _kill(self, part: str, away: float) -> None:
        """The next kill may come while this part is still away."""
        print(f"{time.strftime('%H:%M:%S')} kill -9 {part}, back in {away:.1f} s", flush=True)
        await self._stack.kill(part)
        self.kills[part] += 1
        await asyncio.sleep(away)
        await until(lambda: restarted(self._stack, part))
        del self._restarting[part]

    async def _kill_a_run(self) -> None:
        processes = await asyncio.to_thread(runs_of, self._stack)
        if not processes:
            return
        victim = self._chance.choice(processes)
        with suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
            self.kills[RUN] += 1
            print(f"{time.strftime('%H:%M:%S')} kill -9 one of {len(processes)} flow runs", flush=True)


def runs_of(stack: Stack) -> list[int]:
    """The ids of the processes that the worker has started for flow runs; none for a worker that needs none."""
    found = []
    for process in marked(folder_mark(stack.data)):
        with suppress(psutil.Error):
            if process.environ().get(MARK_VARIABLE, "").endswith(".worker") and "worker" not in process.cmdline():
                found.append(process.pid)
    return sorted(found)
