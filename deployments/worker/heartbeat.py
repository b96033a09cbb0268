"""Says of each run that it is alive, in the one loop in which all runs live: if that hangs, all of them fall silent.

Prefect's engine has a thread for this in each run, which goes on beating when the loop hangs.
"""

import asyncio
import random
from uuid import UUID

from deployments.worker.engine import CooperativeRunEngine


class HeartbeatEmitter:
    """One timer for each run. Runs that start together do not beat together."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._timers: dict[UUID, asyncio.TimerHandle] = {}

    def start(self, engine: CooperativeRunEngine) -> None:
        """A first sign of life now, so that somebody starts to watch the run, and one every few seconds from now on."""
        engine.emit_heartbeat()
        self._schedule(engine, random.uniform(0, self._interval_seconds))  # noqa: S311  # no secret

    def stop(self, run_id: UUID) -> None:
        if timer := self._timers.pop(run_id, None):
            timer.cancel()

    def _schedule(self, engine: CooperativeRunEngine, delay: float) -> None:
        self._timers[engine.run_id] = asyncio.get_running_loop().call_later(delay, self._emit, engine)

    def _emit(self, engine: CooperativeRunEngine) -> None:
        engine.emit_heartbeat()
        self._schedule(engine, self._interval_seconds)
