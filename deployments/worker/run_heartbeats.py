"""Heartbeats of all runs, sent from the loop in which the runs live: if it hangs, they stop.

Prefect's engine sends them from a thread for each run, which goes on when the loop hangs.
"""

import asyncio
import random
from uuid import UUID

from deployments.worker.engine import CooperativeRunEngine


class HeartbeatEmitter:
    """One timer for each run, with a random first interval: runs that start together do not send together."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._timers: dict[UUID, asyncio.TimerHandle] = {}

    def start(self, engine: CooperativeRunEngine) -> None:
        """Send the first heartbeat now, which starts the server's silence timer, and then one per interval."""
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
