"""Waits for a vendor: an attempt of some minutes, then back to Prefect as a retry, which the UI shows.

An accepted submission is paid for, so only the vendor's own status of it ends the wait. An error of any kind, such as a
rejected key or an id that the vendor does not show yet, says nothing about it: the vendor is queried again, with
growing delays, and operators are alerted. Time alone ends nothing either: a job is parked if its vendor has responded
and is not done after hours.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Final, TypeVar

from prefect.logging import get_run_logger

from tasks.runtime.backoff import RECOVERY_GRACE_SECONDS, Backoff
from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import StepTask, job_task
from tasks.runtime.operator_alerts import emit_vendor_unresponsive
from videojobs import errors
from videojobs.aio.idle_signal import notify_idle
from videojobs.db import JobEventKind, JobRepository, Submission
from videojobs.db.repository_base import submission_summary
from videojobs.errors import (
    VENDOR_OVERDUE_CODE,
    DatabaseUnavailable,
    JobParked,
    StillRunning,
    VendorFailed,
    VendorIdNotFound,
    VideoJobError,
)
from videojobs.pipeline.recovery_policy import overdue_message, unknown_id_message
from videojobs.providers.registry import display_name
from videojobs.settings import TimingSettings
from videojobs.states import RecoveryPoint, Stage
from videojobs.transitions import has_reached

T = TypeVar("T")

PollingStep = Callable[[JobRun, JobRepository], Coroutine[Any, Any, None]]

# More attempts than fit into the longest wait that the settings allow; `poll_give_up_hours` ends it.
POLL_RETRIES: Final = 100_000
POLL_RETRY_DELAY: Final = 0.1  # seconds; one attempt itself lasts for minutes (`poll_attempt_seconds`)

_REPORT_INTERVAL_SECONDS: Final = 30.0
_UNCHANGED_REPORT_INTERVAL_SECONDS: Final = 600.0
_ERROR_EVENT_INTERVAL_SECONDS: Final = 600.0  # in the events of a job

_failing_since: dict[str, float] = {}
"""When a vendor's queries began to fail in this process, which may be before the current polling attempt."""


def polling_task(name: str, *, done_at: RecoveryPoint) -> Callable[[PollingStep], StepTask[[JobRun], None]]:
    """As `job_task`, for a step that waits for a vendor. It lasts for hours, so it does not keep the job in memory."""

    def decorate(function: PollingStep) -> StepTask[[JobRun], None]:
        async def step(run: JobRun) -> None:
            repository = await run.connections.repository()
            if not has_reached((await repository.get_job(run.job_id)).recovery_point, done_at):
                await function(run, repository)

        step.__name__, step.__doc__ = function.__name__, function.__doc__
        return job_task(name, retries=POLL_RETRIES, delay=POLL_RETRY_DELAY)(step)

    return decorate


class PollAttempt:
    """One attempt at waiting for an accepted submission."""

    def __init__(self, repository: JobRepository, run: JobRun, submission: Submission) -> None:
        self.vendor = display_name(submission.provider)
        self._repository, self._run, self._submission = repository, run, submission
        self._clock = asyncio.get_running_loop().time
        self._callback_received = asyncio.Event()
        self._overdue_check_at = -math.inf
        self._reset_errors()

    @contextmanager
    def wake_on_callback(self) -> Iterator[None]:
        """Query at once when a callback arrives, even during the delay after an error."""
        with self._repository.notifications.subscribe(self._run.job_id, self._callback_received.set):
            yield

    async def polls(self) -> AsyncIterator[None]:
        """The polls of this attempt; raises StillRunning when its time is over. Always gives at least one."""
        notify_idle()
        end = self._clock() + TimingSettings.current().poll_attempt_seconds
        yield
        while self._clock() < end:
            yield
        raise StillRunning(f"{self.vendor} {self._error or 'is still processing it'}")

    async def query(self, request: Awaitable[T]) -> T | None:
        """The vendor's response; None, after a delay, if there was an error instead."""
        self._callback_received.clear()
        try:
            answer = await request
        except DatabaseUnavailable:
            raise
        except VideoJobError as error:
            await self._delay_after_error(error)
            return None
        _failing_since.pop(self.vendor, None)
        self._reset_errors()
        return answer

    async def park_if_overdue(self, reason: str | None = None) -> None:
        """Park a job whose vendor has reported for hours that it is processing. We never write off paid work.

        An operator's `retry` restarts the time-out, and a callback resumes the job: after it, the vendor has ended the
        submission, even if its status does not show that yet.
        """
        if self._clock() < self._overdue_check_at:
            return
        hours = TimingSettings.current().poll_give_up_hours
        left = timedelta(hours=hours) - await self._repository.submission_age_since_reopen(self._submission)
        if left > timedelta(0):  # looked up once per attempt: a thousand jobs may get a status every 2 s
            self._overdue_check_at = self._clock() + left.total_seconds()
            return
        known = await self._repository.get_live_submission(self._run.job_id, self._submission.stage)
        if known is not None and known.reported_vendor_id == known.vendor_id:
            return
        reason = reason or overdue_message(self.vendor, self._submission.vendor_id, hours)
        await self._repository.park(self._run.lease, reason, code=VENDOR_OVERDUE_CODE)
        raise JobParked(reason)

    def _reset_errors(self) -> None:
        self._backoff, self._error_reported_at = Backoff(), -math.inf
        self._error: str | None = None

    async def _delay_after_error(self, error: VideoJobError) -> None:
        self._error = f"did not report a status: {error}"
        _failing_since.setdefault(self.vendor, self._clock())
        if self._clock() >= self._error_reported_at + _ERROR_EVENT_INTERVAL_SECONDS:
            self._error_reported_at = self._clock()
            await self._report_error(error)
        if isinstance(error, VendorIdNotFound):
            await self.park_if_overdue(unknown_id_message(self.vendor, self._submission.vendor_id))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._backoff.next_delay(error)):
                await self._callback_received.wait()

    async def _report_error(self, error: VideoJobError) -> None:
        """In the log and the job's events; also to operators, if it may not resolve by itself."""
        get_run_logger().warning(
            "Job %s: %s did not report the status of %s, which is paid for; querying again: %s",
            self._run.job_id,
            self.vendor,
            self._submission.vendor_id,
            error,
        )
        detail = {**submission_summary(self._submission), "error": str(error)}
        await self._repository.record_event(self._run.lease, JobEventKind.NO_ANSWER, detail)
        needs_operator = isinstance(error, errors.PermanentError) and not isinstance(error, VendorIdNotFound)
        if needs_operator or self._clock() >= _failing_since[self.vendor] + RECOVERY_GRACE_SECONDS:
            emit_vendor_unresponsive(self.vendor, str(error))


@contextmanager
def treat_rejection_as_unavailable(vendor: str) -> Iterator[None]:
    """A rejected query about a paid submission is worth a retry: it says nothing about the submission."""
    try:
        yield
    except errors.PermanentError as error:
        raise errors.VendorUnavailable(f"{vendor} did not report a status: {error}") from error


class ProgressThrottle:
    """Rate-limits progress updates: the first at once, then one per half minute, or per ten minutes while unchanged.

    One status request covers many jobs. If each job reported each response, a hundred jobs would keep Postgres and the
    Prefect server busy with one another's updates, and thousands with none.
    """

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._last_reported_at = -math.inf
        self._last_progress: float | None = None

    def should_report(self, progress: float | None = None) -> bool:
        """Whether to report now, which then counts as reported. `progress` is the value to report, if it is known."""
        is_unchanged = progress is not None and progress == self._last_progress
        if self._clock() < self._last_reported_at + (
            _UNCHANGED_REPORT_INTERVAL_SECONDS if is_unchanged else _REPORT_INTERVAL_SECONDS
        ):
            return False
        self._last_reported_at, self._last_progress = self._clock(), progress
        return True


async def get_accepted_submission(repository: JobRepository, run: JobRun, stage: Stage) -> Submission:
    """The submission that the vendor processes. Raises VendorFailed if it ended and the job has not failed yet."""
    if live := await repository.get_live_submission(run.job_id, stage):
        return live
    ended = [submission for submission in await repository.list_submissions(run.job_id) if submission.stage == stage]
    raise VendorFailed(ended[-1].error or "the vendor gave no reason")
