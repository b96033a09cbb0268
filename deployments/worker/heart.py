"""Says of each run that it is alive, in the one loop in which all runs live: if that hangs, all of them fall silent.

Prefect's engine has a thread for this in each run, which goes on beating when the loop hangs.
"""

import asyncio
import random
from uuid import UUID

from deployments.worker.engine import Engine


class Heart:
    """One timer for each run. Runs that start together do not beat together."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timers: dict[UUID, asyncio.TimerHandle] = {}

    def begin(self, engine: Engine) -> None:
        """A first sign of life now, so that somebody starts to watch the run, and one every few seconds from now on."""
        engine.show_life()
        self._arm(engine, random.uniform(0, self._seconds))  # noqa: S311  # no secret

    def end(self, run_id: UUID) -> None:
        if timer := self._timers.pop(run_id, None):
            timer.cancel()

    def _arm(self, engine: Engine, seconds: float) -> None:
        self._timers[engine.run_id] = asyncio.get_running_loop().call_later(seconds, self._beat, engine)

    def _beat(self, engine: Engine) -> None:
        engine.show_life()
        self._arm(engine, self._seconds)
