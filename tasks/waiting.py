"""How a task waits for a vendor: an attempt of some minutes, then back to Prefect as a retry, which the UI shows."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Final, TypeVar

from tasks.run import JobRun
from videojobs.at_rest import at_rest
from videojobs.errors import JobParked, Retryable, StillRunning, VendorFailed
from videojobs.ledger import Ledger, Submission
from videojobs.recovery import not_finished
from videojobs.settings import Timings
from videojobs.states import Stage

T = TypeVar("T")

_REPORT_SECONDS: Final = 30.0
_STILL_SECONDS: Final = 600.0


class Reports:
    """When a job that waits tells how far its vendor is: at first, then every half minute, however often it hears; and
    every ten minutes where the vendor comes no further.

    One question answers for many jobs: if each told each answer, a hundred jobs would keep Postgres and the Prefect
    server busy with one another's news, and thousands with none.
    """

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._told_at = -math.inf
        self._told: float | None = None

    def is_due(self, progress: float | None = None) -> bool:
        """Whether it is time for one, which counts as told then. `progress` is what it would say, if that is known."""
        stands_still = progress is not None and progress == self._told
        if self._clock() < self._told_at + (_STILL_SECONDS if stands_still else _REPORT_SECONDS):
            return False
        self._told_at, self._told = self._clock(), progress
        return True


async def attempt(seconds: float, vendor: str) -> AsyncIterator[None]:
    """The polls of one attempt; raises StillRunning when its time is over. Always gives at least one."""
    at_rest()
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    yield
    while clock() < end:
        yield
    raise StillRunning(f"{vendor} is still at work")


async def patiently(answer: Awaitable[T]) -> T:
    """An answer, or its error after a pause: as long as the other side asked for, else the default."""
    try:
        return await answer
    except Retryable as error:
        named = error.retry_after
        await asyncio.sleep(Timings().retry_delay_seconds if named is None else min(named, 60.0))
        raise


async def accepted_submission(ledger: Ledger, run: JobRun, stage: Stage) -> Submission:
    """The submission that the vendor works on. Raises VendorFailed when it ended and a run died before it said so."""
    if live := await ledger.live_submission(run.job_id, stage):
        return live
    ended = [submission for submission in await ledger.submissions(run.job_id) if submission.stage == stage]
    raise VendorFailed(ended[-1].error or "the vendor gave no reason")


async def give_up_if_overdue(ledger: Ledger, run: JobRun, submission: Submission, vendor: str) -> None:
    """Park a job whose vendor has been silent for hours. Paid work is not written off: an operator decides."""
    hours = Timings().poll_give_up_hours
    if await ledger.waited_for(submission) < timedelta(hours=hours):
        return
    reason = not_finished(vendor, submission.vendor_id, hours)
    await ledger.park(run.lease, reason)
    raise JobParked(reason)
