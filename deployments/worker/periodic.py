"""Work that goes on beside everything else, whatever goes wrong in it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from logging import Logger, LoggerAdapter
from typing import Any


async def run_periodically(
    work: Callable[[], Awaitable[object]], interval_seconds: float, logger: "Logger | LoggerAdapter[Any]"
) -> None:
    """Do it again and again until cancelled, with about `pause` seconds before each time: workers shall not march."""
    while True:
        await asyncio.sleep(interval_seconds * random.uniform(0.7, 1.3))  # noqa: S311  # no secret
        try:
            await work()
        except Exception as error:
            logger.warning("Trying again: %s (%s: %s)", work.__name__, type(error).__name__, error)
