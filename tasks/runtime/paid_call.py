"""The one way in which money is spent: intent, call, outcome.

    ledger.intend      committed: the exact bytes, the key
    send               the call; no transaction is open
    ledger.accept      committed: the vendor's id and the job's next point

A crash between the first and the last leaves the submission in doubt. Then, by the vendor's own means:

    a vendor that takes an idempotency key is asked again with the same key and bytes, as long as it surely still knows
    the key (`idempotency_window`);
    any other is asked what became of the submission (`find`): what it shows to be ours is adopted, what it surely
    has not taken is sent again, and what it cannot tell yet is asked again;
    if that proves nothing, the job is parked, and never sent again by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

from prefect.logging import get_run_logger
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_fixed

from tasks.runtime.job_run import JobRun
from tasks.runtime.polling import treat_rejection_as_unavailable
from tasks.runtime.shielded import run_shielded
from videojobs.aio.idle_signal import notify_idle
from videojobs.db import Intent, JobRepository, Lease, Submission, SubmissionState
from videojobs.errors import (
    DatabaseUnavailable,
    JobParked,
    OutcomeStillUnknown,
    OutcomeUnknown,
    PermanentError,
    RetryableError,
    VendorUnavailable,
)
from videojobs.pipeline.costs import BudgetSettings, Cost
from videojobs.pipeline.recovery_policy import outcome_unknown_message
from videojobs.providers.lookup import ACCEPTED_WITHOUT_ID, Accepted, Inconclusive, LookupResult, NotReceived
from videojobs.providers.registry import display_name
from videojobs.states import RecoveryPoint, Stage

# An outcome in memory is worth waiting for: a restarting Postgres is back within seconds, a fail-over within minutes.
RECORD_TIMEOUT_SECONDS = 600
RECORD_RETRY_SECONDS = 1.0

# A process may stand still after its intent (a stopped machine, a full one) until others have seen that the vendor has
# nothing, and sent it again. So a call without a key begins within a minute of its intent, or not at all. What HTTP
# adds (videojobs/providers/http.py: 60 s for a free connection, 3 x 10 s for a new one, 30 s to write) makes it three
# minutes at most until the last byte has left.
MAX_SEND_DELAY = timedelta(seconds=60)


async def _no_lookup(submission: Submission) -> LookupResult:
    return Inconclusive("nothing is known to ask it by")


@dataclass(frozen=True, slots=True)
class PaidCall:
    """A vendor's submit call. `body` gives the exact bytes, `send` sends them.

    `find` asks the vendor for a submission whose answer was lost; it raises StillInDoubt where that is too early.
    `idempotency_window` is how old a key may be that is sent again; zero where the vendor knows no keys.
    `body_max_age` is how old bytes may be that are sent for the first time: links in them end.
    """

    provider: str  # its key
    stage: Stage
    next_point: RecoveryPoint
    build_body: Callable[[Submission], bytes]
    send: Callable[[Submission], Awaitable[Accepted]]
    idempotency_window: timedelta
    cost: Cost  # what it is expected to cost; budgets are held against it
    find: Callable[[Submission], Awaitable[LookupResult]] = _no_lookup
    body_max_age: timedelta | None = None

    @property
    def vendor(self) -> str:
        return display_name(self.provider)


async def submit_paid(run: JobRun, call: PaidCall) -> None:
    """`submit_idempotently` for a run, as a whole: a cancelled run comes to its end, and the outcome on the books,
    first.

    Waits for as long as the vendor cannot tell yet what became of a lost answer: `find` bounds that time, so no
    retries of the step are used up for it. A run may be cancelled in these pauses.
    """

    async def attempt() -> None:
        await submit_idempotently(await run.connections.repository(), run.lease, call)

    try:
        await run_shielded(attempt)
    except OutcomeStillUnknown as doubt:
        get_run_logger().warning("Job %s: the answer of %s was lost; %s", run.job_id, call.vendor, doubt)
        await _retry_until_known(run, attempt, doubt)


async def _retry_until_known(
    run: JobRun, attempt: Callable[[], Coroutine[None, None, None]], doubt: OutcomeStillUnknown
) -> None:
    """Try again and again, and at once when the vendor's callback names something."""
    notifications = (await run.connections.repository()).notifications
    callback_received = asyncio.Event()
    notify_idle()
    with notifications.subscribe(run.job_id, callback_received.set):
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(callback_received.wait(), doubt.retry_after)
            callback_received.clear()
            try:
                await run_shielded(attempt)
            except OutcomeStillUnknown as still:
                doubt = still
            else:
                return


async def submit_idempotently(repository: JobRepository, lease: Lease, call: PaidCall) -> None:
    """Make the paid call unless it was made before.

    Raises Retryable (try again later, safely), JobParked (an operator decides), BudgetExceeded, or why it was refused.
    """
    intent = await repository.create_intent(
        lease,
        call.stage,
        call.build_body,
        provider=call.provider,
        cost=call.cost,
        budget=BudgetSettings.current(),
        body_valid_for=call.body_max_age,
    )
    submission = intent.submission
    if submission.vendor_id is not None:
        return
    if not (intent.unsent or await repository.body_age(submission) < call.idempotency_window):
        await _resolve_by_lookup(
            repository, lease, call, submission, submission.error or "a run died while it was being sent"
        )
        return
    if not (call.idempotency_window or await repository.is_intent_current(submission, MAX_SEND_DELAY)):
        raise RetryableError(
            f"this run stood still before it called {call.vendor}; it looks what has become of that first"
        )
    try:
        accepted = await call.send(submission)
    except (OutcomeUnknown, JobParked) as doubt:  # JobParked: the vendor knows this key, with another request
        await _handle_unknown_outcome(repository, lease, call, submission, doubt)
    except RetryableError as delay:
        if intent.unsent:
            await _record_waiting(repository, lease, submission, str(delay))
        raise
    except PermanentError as refusal:
        await _handle_rejection(repository, lease, call, intent, refusal)
    else:
        await _record_accepted(repository, lease, call, submission, accepted)


async def _record_accepted(
    repository: JobRepository, lease: Lease, call: PaidCall, submission: Submission, accepted: Accepted
) -> None:
    await _record_with_retry(
        lambda: repository.record_accepted(
            lease,
            submission,
            call.next_point,
            vendor_id=accepted.vendor_id,
            batch_id=accepted.batch_id,
            answer=accepted.answer,
            metadata=accepted.metadata,
            job_columns=accepted.job_columns,
        )
    )


async def _handle_unknown_outcome(
    repository: JobRepository, lease: Lease, call: PaidCall, submission: Submission, doubt: OutcomeUnknown | JobParked
) -> None:
    batch_id = doubt.vendor_id if isinstance(doubt, OutcomeUnknown) else None
    state = SubmissionState.UNKNOWN
    answer = ACCEPTED_WITHOUT_ID if isinstance(doubt, OutcomeUnknown) and doubt.accepted else None
    await _record_with_retry(
        lambda: repository.record_outcome(lease, submission, state, error=str(doubt), batch_id=batch_id, answer=answer)
    )
    if call.idempotency_window and isinstance(doubt, OutcomeUnknown):
        raise VendorUnavailable(f"{doubt}; asking again with the same key") from doubt
    reloaded = await _reload(repository, submission)
    await _resolve_by_lookup(repository, lease, call, reloaded, str(doubt))


async def _reload(repository: JobRepository, submission: Submission) -> Submission:
    """The submission as it is on the books now: the vendor's callback may have come before its answer was lost."""
    return next(row for row in await repository.list_submissions(submission.job_id) if row.id == submission.id)


async def _resolve_by_lookup(
    repository: JobRepository, lease: Lease, call: PaidCall, submission: Submission, reason: str
) -> None:
    """Adopt what the vendor proves to be ours; free what it surely has not taken, to be sent again; else park.

    Raises Retryable while the vendor cannot be asked or cannot tell yet, and where it is to be sent again.
    """
    with treat_rejection_as_unavailable(call.vendor):
        found = await call.find(submission)
    match found:
        case Accepted() as accepted:
            await _record_accepted(repository, lease, call, submission, accepted)
        case NotReceived(evidence):
            message = f"{call.vendor} has not taken the submission ({reason})"
            await repository.record_not_accepted(lease, submission, message, evidence)
            raise VendorUnavailable(f"{message}; it is sent again")
        case Inconclusive(inconclusive_reason):
            await _park_in_doubt(repository, lease, call, f"{reason}; {inconclusive_reason}", submission)


async def _record_waiting(repository: JobRepository, lease: Lease, submission: Submission, reason: str) -> None:
    await _record_with_retry(
        lambda: repository.record_outcome(lease, submission, SubmissionState.WAITING, error=reason)
    )


async def _handle_rejection(
    repository: JobRepository, lease: Lease, call: PaidCall, intent: Intent, refusal: PermanentError
) -> NoReturn:
    """A refusal of a first send is final; a refusal of a replay does not prove that the first was not taken."""
    if not intent.unsent:
        await _park_in_doubt(
            repository, lease, call, f"an earlier try may have been taken, and its repeat was refused: {refusal}"
        )
    await _record_with_retry(
        lambda: repository.record_outcome(lease, intent.submission, SubmissionState.REFUSED, error=str(refusal))
    )
    raise refusal


async def _park_in_doubt(
    repository: JobRepository, lease: Lease, call: PaidCall, why: str, doubt: Submission | None = None
) -> NoReturn:
    reason = outcome_unknown_message(call.vendor, why)
    await _record_with_retry(lambda: repository.park(lease, reason, code=OutcomeUnknown.code, unresolved=doubt))
    raise JobParked(reason)


async def _record_with_retry(record: Callable[[], Awaitable[object]]) -> None:
    """Record a fact, also while Postgres restarts or fails over."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(DatabaseUnavailable),
        wait=wait_fixed(RECORD_RETRY_SECONDS),
        stop=stop_after_delay(RECORD_TIMEOUT_SECONDS),
        reraise=True,
    ):
        with attempt:
            await record()
