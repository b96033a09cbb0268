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

from tasks.runtime.backoff import RECOVERY_GRACE_SECONDS, Backoff
from tasks.runtime.job_events import emit_vendor_unresponsive
from videojobs.aio.idle_signal import notify_idle
from videojobs.errors import RetryableError, VendorRateLimited
from videojobs.settings import TimingSettings

P = ParamSpec("P")
R = TypeVar("R")

# With the default delay 1, 2, 5, 10, 20, 30 and then 60 s: about an hour in all. Long enough for a vendor's or the
# network's bad day, short enough that somebody still remembers the job.
RETRY_DELAYS: Final = [TimingSettings.current().retry_delay_seconds * factor for factor in (0.1, 0.2, 0.5, 1, 2, 3, 6)]
MAX_RETRIES: Final = 60
# Before anything is paid for, about three minutes: somebody may be waiting to hear that a link does not work.
INPUT_RETRIES: Final = 8
# More attempts than fit into the longest wait that the settings allow; `poll_give_up_hours` ends it.
POLL_RETRIES: Final = 100_000
POLL_RETRY_DELAY: Final = 0.1


async def is_retryable(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a later try can heal this failure."""
    return isinstance(await state.aresult(raise_on_failure=False), RetryableError)


def job_task(
    name: str, *, retries: int = MAX_RETRIES, delay: float | list[float] = RETRY_DELAYS
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], Task[P, Coroutine[Any, Any, R]]]:
    """A task called `name` in the UI. Never cached: whether there is something to do is read from the ledger."""
    make_task = task(
        name=name,
        task_run_name=name,  # else Prefect appends a random ending
        retries=retries,
        retry_delay_seconds=delay,
        retry_condition_fn=is_retryable,
        cache_policy=NO_CACHE,
    )
    return lambda function: make_task(retry_while_throttled(function))


def retry_while_throttled(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Run it again, as any step may be, until no vendor asks it to wait."""

    @wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        backoff, waited = Backoff(), 0.0
        while True:
            try:
                return await function(*args, **kwargs)
            except VendorRateLimited as error:
                seconds = backoff.next_delay(error)
                waited += seconds
                get_run_logger().info("%s; this step goes on in %.0f s", error, seconds)
                if waited > RECOVERY_GRACE_SECONDS:
                    emit_vendor_unresponsive(error.vendor, str(error))
                notify_idle()
                await asyncio.sleep(seconds)

    return wrapper


polling_task = partial(job_task, retries=POLL_RETRIES, delay=POLL_RETRY_DELAY)
