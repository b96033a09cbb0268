"""Periodic background work that survives its errors."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from logging import Logger, LoggerAdapter
from typing import Any


async def run_periodically(
    work: Callable[[], Awaitable[object]], interval_seconds: float, logger: "Logger | LoggerAdapter[Any]"
) -> None:
    """Repeat `work` until cancelled, each time after `interval_seconds` ± 30 %, so that workers do not run in step."""
    while True:
        await asyncio.sleep(interval_seconds * random.uniform(0.7, 1.3))  # noqa: S311  # no secret
        try:
            await work()
        except Exception as error:
            logger.warning("Retrying %s (%s: %s)", work.__name__, type(error).__name__, error)
