"""An event loop in a thread of its own: what happens in it is out of the reach of the loop that asked for it."""

import asyncio
import logging
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

logger = logging.getLogger("prefect.loops")  # Prefect's logging shows what is below `prefect`


class BackgroundEventLoop:
    """Runs coroutines for other threads. Calls that block have `threads` threads to go to."""

    def __init__(self, name: str, *, threads: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix=name))
        self._thread = threading.Thread(target=self._run_loop, name=name, daemon=True)
        self._closing = False
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin it in the loop of this thread, in a copy of the caller's context."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Do it in the loop of this thread; gives its result to the loop of the caller."""
        return await asyncio.wrap_future(self.submit(coroutine))

    async def close(self) -> None:
        """End the loop, once the calls that are in its threads have come to their end."""
        await self.run(self._loop.shutdown_default_executor())
        self._closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)
        self._loop.close()

    def _run_loop(self) -> None:
        """asyncio lets SystemExit and KeyboardInterrupt of any task end the loop, and with it all others."""
        while not self._closing:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                logger.error("%s in the loop %s, which goes on", type(error).__name__, self._thread.name)
