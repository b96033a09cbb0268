"""What makes a function a step: a Prefect task that is retried where, and only where, a retry can heal.

Two delays: after an error, growing to a minute; between polls, short, since one poll attempt itself waits for
minutes before it hands back (`poll_attempt_seconds`).

A vendor that asks to wait has done nothing wrong, and neither has the job: that is waited for within the task, for as
long as the vendor says, and counts as no retry.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, Final, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.logging import get_run_logger

from tasks.announcing import announce_silence
from tasks.backoff import HEALS_SECONDS, Backoff
from videojobs.at_rest import at_rest
from videojobs.errors import Retryable, VendorThrottled
from videojobs.settings import Timings

P = ParamSpec("P")
R = TypeVar("R")

# With the default delay 1, 2, 5, 10, 20, 30 and then 60 s: about an hour in all. Long enough for a vendor's or the
# network's bad day, short enough that somebody still remembers the job.
BACKOFF: Final = [Timings().retry_delay_seconds * factor for factor in (0.1, 0.2, 0.5, 1, 2, 3, 6)]
RETRIES: Final = 60
# Before anything is paid for, about three minutes: somebody may be waiting to hear that a link does not work.
INPUT_RETRIES: Final = 8
# More attempts than fit into the longest wait that the settings allow; `poll_give_up_hours` ends it.
POLLS: Final = 100_000
POLL_PAUSE: Final = 0.1


async def heals(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a later try can heal this failure."""
    return isinstance(await state.aresult(raise_on_failure=False), Retryable)


def step(
    name: str, *, retries: int = RETRIES, delay: float | list[float] = BACKOFF
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Task[P, Coroutine[Any, Any, R]]]:
    """A task called `name` in the UI. Never cached: whether there is something to do is read from the ledger."""
    as_task = task(
        name=name,
        task_run_name=name,  # else Prefect appends a random ending
        retries=retries,
        retry_delay_seconds=delay,
        retry_condition_fn=heals,
        cache_policy=NO_CACHE,
    )
    return lambda function: as_task(outlast_throttling(function))


def outlast_throttling(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Run it again, as any step may be, until no vendor asks it to wait."""

    @wraps(function)
    async def outlasting(*args: P.args, **kwargs: P.kwargs) -> R:
        backoff, waited = Backoff(), 0.0
        while True:
            try:
                return await function(*args, **kwargs)
            except VendorThrottled as error:
                seconds = backoff.delay(error)
                waited += seconds
                get_run_logger().info("%s; this step goes on in %.0f s", error, seconds)
                if waited > HEALS_SECONDS:
                    announce_silence(error.vendor, str(error))
                at_rest()
                await asyncio.sleep(seconds)

    return outlasting


polling_step = partial(step, retries=POLLS, delay=POLL_PAUSE)
