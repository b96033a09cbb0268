"""Liveness of the worker itself: it exits when the event loop of its flows no longer responds.

Nothing else frees a stuck loop; the process manager starts a new worker. `run_heartbeats.py` shows that runs live.
"""

import asyncio
import os
import time
from typing import Final

from deployments.server.recovery_automations import LivenessSettings
from deployments.worker.prefect_compat import WorkerLogger
from videojobs.aio.background_loop import BackgroundEventLoop

# The flows' loop counts as stuck after this time: the worker stops polling, and the runs' heartbeats stop anyway.
UNRESPONSIVE_SECONDS: Final = 5.0


class LoopWatchdog:
    """Checks whether the flows' loop responds."""

    def __init__(self, loop: BackgroundEventLoop, logger: WorkerLogger) -> None:
        self._loop, self._logger = loop, logger
        self._responded_at = time.monotonic()

    async def is_responsive(self) -> bool:
        """Whether the loop responds. Exits the process once its runs count as dead (`heartbeat_timeout_seconds`)."""
        try:
            async with asyncio.timeout(UNRESPONSIVE_SECONDS):
                await self._loop.run(asyncio.sleep(0))
        except TimeoutError:
            stalled_seconds = time.monotonic() - self._responded_at
            self._logger.error(
                "No flow has run for %.0f s: one blocks the event loop, or the machine is overloaded", stalled_seconds
            )
            if stalled_seconds > LivenessSettings.current().heartbeat_timeout_seconds:
                os._exit(os.EX_SOFTWARE)  # a stuck loop cannot stop in order
            return False
        self._responded_at = time.monotonic()
        return True
