"""An event loop in its own thread, isolated from cancellations and shutdown of the caller's loop."""

import asyncio
import logging
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger("prefect.loops")  # Prefect shows loggers below `prefect`


class BackgroundEventLoop:
    """Runs coroutines for other threads. `threads` is the size of its pool for blocking calls."""

    def __init__(self, name: str, *, threads: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix=name))
        self._thread = threading.Thread(target=self._run_loop, name=name, daemon=True)
        self._closing = False
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start it in the background loop, in a copy of the caller's context."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it in the background loop; returns its result to the caller's loop."""
        return await asyncio.wrap_future(self.submit(coroutine))

    async def close(self) -> None:
        """Stop the loop after the calls in its pool have ended."""
        await self.run(self._loop.shutdown_default_executor())
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    def _run_loop(self) -> None:
        """Restarts after SystemExit or KeyboardInterrupt of a task, which end the loop with all other tasks."""
        while not self._closing:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                logger.error("%s in the event loop %s; restarting the loop", type(error).__name__, self._thread.name)
