"""A step of a job as a Prefect task, retried only where a retry can succeed.

Rate limiting by a vendor is no error: the task waits for as long as the vendor says, and uses up no retry.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import signature
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, overload

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.logging import get_run_logger

from tasks.runtime.backoff import RECOVERY_GRACE_SECONDS, Backoff
from tasks.runtime.job_run import JobRun
from tasks.runtime.operator_alerts import emit_vendor_unresponsive
from videojobs.aio.idle_signal import notify_idle
from videojobs.db import JobRepository, VideoJob
from videojobs.errors import RetryableError, VendorRateLimited
from videojobs.settings import TimingSettings
from videojobs.states import RecoveryPoint
from videojobs.transitions import has_reached

P = ParamSpec("P")
R = TypeVar("R")

# With the default delay 1, 2, 5, 10, 20, 30 and then 60 s: about an hour in all. Long enough for an outage of a vendor
# or the network, short enough that the client still remembers the job.
RETRY_DELAYS: Final = [TimingSettings.current().retry_delay_seconds * factor for factor in (0.1, 0.2, 0.5, 1, 2, 3, 6)]
MAX_RETRIES: Final = 60
# Before anything is paid for, about three minutes: the client may be waiting to learn that a link does not work.
INPUT_RETRIES: Final = 8


async def is_retryable(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a later attempt can succeed."""
    return isinstance(await state.aresult(raise_on_failure=False), RetryableError)


Step = Callable[P, Coroutine[Any, Any, R]]
StepTask = Task[P, Coroutine[Any, Any, R]]
JobStep = Callable[Concatenate[JobRun, JobRepository, VideoJob, P], Coroutine[Any, Any, None]]


@overload
def job_task(
    name: str, *, retries: int = MAX_RETRIES, delay: float | list[float] = RETRY_DELAYS
) -> Callable[[Step[P, R]], StepTask[P, R]]: ...


@overload
def job_task(
    name: str,
    *,
    done_at: RecoveryPoint,
    retries: int = MAX_RETRIES,
    delay: float | list[float] = RETRY_DELAYS,
) -> Callable[[JobStep[P]], StepTask[Concatenate[JobRun, P], None]]: ...


def job_task(
    name: str,
    *,
    done_at: RecoveryPoint | None = None,
    retries: int = MAX_RETRIES,
    delay: float | list[float] = RETRY_DELAYS,
) -> Callable[[Any], Any]:
    """A task with this name in the UI. Never cached: the database tells whether there is something to do.

    With `done_at` the function gets the repository and the job after the run, and is not called if the job has reached
    that point.
    """
    make_task = task(
        name=name,
        task_run_name=name,  # else Prefect appends a random ending
        retries=retries,
        retry_delay_seconds=delay,
        retry_condition_fn=is_retryable,
        cache_policy=NO_CACHE,
    )
    if done_at is None:
        return lambda function: make_task(retry_while_throttled(function))
    return lambda function: make_task(retry_while_throttled(_skip_when_done(done_at, function)))


def _skip_when_done(done_at: RecoveryPoint, function: JobStep[P]) -> Step[Concatenate[JobRun, P], None]:
    @wraps(function)
    async def wrapper(run: JobRun, *args: P.args, **kwargs: P.kwargs) -> None:
        repository = await run.connections.repository()
        job = await repository.get_job(run.job_id)
        if not has_reached(job.recovery_point, done_at):
            await function(run, repository, job, *args, **kwargs)

    return _with_parameters_of_call(wrapper, function)  # type: ignore[return-value]  # `run` may also be named


def _with_parameters_of_call(wrapper: Step[P, R], function: Callable[..., Any]) -> Step[P, R]:
    """Prefect binds calls by the signature, which `wraps` has copied from the function."""
    own = signature(function)
    parameters = [it for name, it in own.parameters.items() if name not in ("repository", "job")]
    wrapper.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    return wrapper


def retry_while_throttled(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Run the step again while the vendor asks us to wait."""

    @wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        backoff, waited = Backoff(), 0.0
        while True:
            try:
                return await function(*args, **kwargs)
            except VendorRateLimited as error:
                seconds = backoff.next_delay(error)
                waited += seconds
                get_run_logger().info("%s; this step continues in %.0f s", error, seconds)
                if waited > RECOVERY_GRACE_SECONDS:
                    emit_vendor_unresponsive(error.vendor, str(error))
                notify_idle()
                await asyncio.sleep(seconds)

    return wrapper
