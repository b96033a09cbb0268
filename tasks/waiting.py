"""How a task waits for a vendor: an attempt of some minutes, then back to Prefect as a retry, which the UI shows.

What a vendor has accepted is paid for, so only its own word on that very submission ends the wait. An error of any kind
tells nothing about it, be it a refused key or an id that the vendor does not show yet: the vendor is asked again, later
each time, and operators are told. The clock ends nothing by itself either: a job is parked when its vendor has been
asked, has answered, and is not done after hours.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Final, TypeVar

from prefect.logging import get_run_logger

from tasks.announcing import announce_silence
from tasks.backoff import HEALS_SECONDS, Backoff
from tasks.run import JobRun
from videojobs import errors
from videojobs.at_rest import at_rest
from videojobs.errors import JobParked, LedgerUnavailable, NotShown, StillRunning, VendorFailed, VideoJobError
from videojobs.ledger import Ledger, Submission
from videojobs.ledger.books import about
from videojobs.recovery import VENDORS, not_finished, unknown_id
from videojobs.settings import Timings
from videojobs.states import Stage

T = TypeVar("T")

_REPORT_SECONDS: Final = 30.0
_STILL_SECONDS: Final = 600.0
_TOLD_EACH_SECONDS: Final = 600.0  # in the events of a job

_failing_since: dict[str, float] = {}
"""Since when a vendor has given this process no answer: one attempt at waiting may be shorter than that."""


class Polling:
    """One attempt at waiting for an accepted submission."""

    def __init__(self, ledger: Ledger, run: JobRun, submission: Submission) -> None:
        self.vendor = VENDORS[Stage(submission.stage)]
        self._ledger, self._run, self._submission = ledger, run, submission
        self._clock = asyncio.get_running_loop().time
        self._called = asyncio.Event()
        self._overdue_from = -math.inf
        self._new_spell()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Ask at once when the vendor has called back, however long the delay after an error would be."""
        with self._ledger.bell.heard_by(self._run.job_id, self._called.set):
            yield

    async def rounds(self) -> AsyncIterator[None]:
        """The polls of this attempt; raises StillRunning when its time is over. Always gives at least one."""
        at_rest()
        end = self._clock() + Timings().poll_attempt_seconds
        yield
        while self._clock() < end:
            yield
        raise StillRunning(f"{self.vendor} {self._error or 'is still at work'}")

    async def ask(self, question: Awaitable[T]) -> T | None:
        """The vendor's answer; None, after a delay, where there was an error instead."""
        self._called.clear()
        try:
            answer = await question
        except LedgerUnavailable:
            raise
        except VideoJobError as error:
            await self._unanswered(error)
            return None
        _failing_since.pop(self.vendor, None)
        self._new_spell()
        return answer

    async def park_if_overdue(self, reason: str | None = None) -> None:
        """Park a job whose vendor has said for hours that it is at work. Paid work is not written off by us.

        An operator's `retry` lets it wait anew, and the vendor's callback takes it up again: once that has come, the
        vendor has ended it, whatever its status says yet.
        """
        if self._clock() < self._overdue_from:
            return
        hours = Timings().poll_give_up_hours
        left = timedelta(hours=hours) - await self._ledger.watched_for(self._submission)
        if left > timedelta(0):  # looked up once in an attempt: a thousand jobs may hear of their vendor every 2 s
            self._overdue_from = self._clock() + left.total_seconds()
            return
        known = await self._ledger.live_submission(self._run.job_id, Stage(self._submission.stage))
        if known is not None and known.candidate_id == known.vendor_id:
            return
        reason = reason or not_finished(self.vendor, self._submission.vendor_id, hours)
        await self._ledger.park(self._run.lease, reason)
        raise JobParked(reason)

    def _new_spell(self) -> None:
        self._backoff, self._told_at = Backoff(), -math.inf
        self._error: str | None = None

    async def _unanswered(self, error: VideoJobError) -> None:
        self._error = f"gives no answer: {error}"
        _failing_since.setdefault(self.vendor, self._clock())
        if self._clock() >= self._told_at + _TOLD_EACH_SECONDS:
            self._told_at = self._clock()
            await self._tell(error)
        if isinstance(error, NotShown):
            await self.park_if_overdue(unknown_id(self.vendor, self._submission.vendor_id))
        with suppress(TimeoutError):
            async with asyncio.timeout(self._backoff.delay(error)):
                await self._called.wait()

    async def _tell(self, error: VideoJobError) -> None:
        """In the log and in the job's events; and to operators, where it may not heal by itself."""
        get_run_logger().warning(
            "Job %s: %s gives no answer about %s, which is paid for; it is asked again: %s",
            self._run.job_id,
            self.vendor,
            self._submission.vendor_id,
            error,
        )
        detail = {**about(self._submission), "error": str(error)}
        await self._ledger.record(self._run.lease, "no_answer", detail)
        needs_somebody = isinstance(error, errors.Final) and not isinstance(error, NotShown)
        if needs_somebody or self._clock() >= _failing_since[self.vendor] + HEALS_SECONDS:
            announce_silence(self.vendor, str(error))


@contextmanager
def no_verdict(vendor: str) -> Iterator[None]:
    """A question about what is paid for that the vendor refuses is worth a retry: it says nothing about the work."""
    try:
        yield
    except errors.Final as error:
        raise errors.VendorUnavailable(f"{vendor} gives no answer: {error}") from error


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


async def accepted_submission(ledger: Ledger, run: JobRun, stage: Stage) -> Submission:
    """The submission that the vendor works on. Raises VendorFailed when it ended and a run died before it said so."""
    if live := await ledger.live_submission(run.job_id, stage):
        return live
    ended = [submission for submission in await ledger.submissions(run.job_id) if submission.stage == stage]
    raise VendorFailed(ended[-1].error or "the vendor gave no reason")
