"""Repeats background work until cancelled. Errors do not stop it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from logging import Logger, LoggerAdapter
from typing import Any, Final

_JITTER: Final = 0.3  # of the interval, so that the processes of a deployment do not all call at the same moment


async def run_periodically(
    work: Callable[[], Awaitable[object]],
    interval_seconds: float,
    logger: "Logger | LoggerAdapter[Any]",
    *,
    name: str = "",
    immediately: bool = False,
) -> None:
    """Call `work` about every `interval_seconds`, for the first time after one interval unless `immediately`.

    An error is logged, and `work` is called again after the next interval. The same error is logged once in a row.
    `name` is what the log calls the work; by default, the name of the function.
    """
    last_error = ""
    is_due = immediately
    while True:
        if not is_due:
            await asyncio.sleep(interval_seconds * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311  # no secret
        is_due = False
        try:
            await work()
            last_error = ""
        except Exception as error:
            description = f"{type(error).__name__}: {error}"
            if description != last_error:
                logger.warning("Retrying in about %g s: %s (%s)", interval_seconds, name or work.__name__, description)
            last_error = description
