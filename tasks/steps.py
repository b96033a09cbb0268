"""What makes a function a step: a Prefect task that is retried where, and only where, a retry can heal.

Two delays: after an error, growing to a minute; between polls, short, since one poll attempt itself waits for
minutes before it hands back (`poll_attempt_seconds`).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Final, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from videojobs.errors import Retryable
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
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """A task called `name` in the UI. Never cached: whether there is something to do is read from the ledger."""
    return task(
        name=name,
        task_run_name=name,  # else Prefect appends a random ending
        retries=retries,
        retry_delay_seconds=delay,
        retry_condition_fn=heals,
        cache_policy=NO_CACHE,
    )


polling_step = partial(step, retries=POLLS, delay=POLL_PAUSE)
