"""Work that goes on beside everything else, whatever goes wrong in it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from logging import Logger, LoggerAdapter
from typing import Any


async def repeatedly(
    work: Callable[[], Awaitable[object]], pause: float, logger: "Logger | LoggerAdapter[Any]"
) -> None:
    """Do it again and again until cancelled, with about `pause` seconds before each time: workers shall not march."""
    while True:
        await asyncio.sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311  # no secret
        try:
            await work()
        except Exception as error:
            logger.warning("Trying again: %s (%s: %s)", work.__name__, type(error).__name__, error)
