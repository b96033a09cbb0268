"""The only way to make a paid call: intent, call, outcome.

    create_intent      committed: the exact bytes, the key
    send               the call; no transaction is open
    record_accepted    committed: the vendor's id and the job's next point

A crash between the first and the last leaves the outcome unknown. It is resolved by the vendor's own means:

    a vendor with idempotency keys gets the same key and bytes again, as long as it certainly still knows the key
    (`idempotency_window`);
    any other is searched for the submission (`find`): if it is proven to be ours, it is adopted; if the vendor has
    certainly not accepted it, it is sent again; if the vendor cannot tell yet, the search is repeated;
    if that proves nothing, the job is parked, and never sent again without an operator.
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
from tasks.runtime.uninterruptible import run_uninterruptible
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

# An outcome in memory is worth waiting for: Postgres restarts within seconds, and fails over within minutes.
RECORD_TIMEOUT_SECONDS = 600
RECORD_RETRY_SECONDS = 1.0

# A process may stall after its intent (a suspended or overloaded machine), until another run has found nothing at the
# vendor and sent it again. So a call without a key begins within a minute of its intent, or not at all. With the
# HTTP time-outs (videojobs/providers/http.py: 60 s for a free connection, 3 x 10 s for a new one, 30 s to write), the
# last byte is sent within three minutes.
MAX_SEND_DELAY = timedelta(seconds=60)


async def _no_lookup(submission: Submission) -> LookupResult:
    return Inconclusive("this vendor has no lookup")


@dataclass(frozen=True, slots=True)
class PaidCall:
    """A vendor's submit call. `build_body` gives the exact bytes, `send` sends them.

    `find` looks up a submission whose response was lost; it raises OutcomeStillUnknown if it is too early to tell.
    `idempotency_window` is the maximum age of a key that is sent again; zero if the vendor has no keys. `body_max_age`
    is the maximum age of bytes that are sent for the first time, since their links expire.
    """

    provider: str  # its key
    stage: Stage
    next_point: RecoveryPoint
    build_body: Callable[[Submission], bytes]
    send: Callable[[Submission], Awaitable[Accepted]]
    idempotency_window: timedelta
    cost: Cost  # its expected cost, which is checked against budgets
    find: Callable[[Submission], Awaitable[LookupResult]] = _no_lookup
    body_max_age: timedelta | None = None

    @property
    def vendor(self) -> str:
        return display_name(self.provider)


async def submit_paid(run: JobRun, call: PaidCall) -> None:
    """`submit_idempotently`, shielded from cancellation: a cancelled run first completes the call and records it.

    Waits while the vendor cannot tell yet whether it accepted a call whose response was lost. `find` limits that time,
    so this uses up no retries of the step. A run may be cancelled in these pauses.
    """

    async def attempt() -> None:
        await submit_idempotently(await run.connections.repository(), run.lease, call)

    try:
        await run_uninterruptible(attempt)
    except OutcomeStillUnknown as doubt:
        get_run_logger().warning("Job %s: the response of %s was lost; %s", run.job_id, call.vendor, doubt)
        await _retry_until_known(run, attempt, doubt)


async def _retry_until_known(
    run: JobRun, attempt: Callable[[], Coroutine[None, None, None]], doubt: OutcomeStillUnknown
) -> None:
    """Retry until the outcome is known; at once when the vendor's callback reports an id."""
    notifications = (await run.connections.repository()).notifications
    callback_received = asyncio.Event()
    notify_idle()
    with notifications.subscribe(run.job_id, callback_received.set):
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(callback_received.wait(), doubt.retry_after)
            callback_received.clear()
            try:
                await run_uninterruptible(attempt)
            except OutcomeStillUnknown as still:
                doubt = still
            else:
                return


async def submit_idempotently(repository: JobRepository, lease: Lease, call: PaidCall) -> None:
    """Make the paid call unless it was made before.

    Raises RetryableError (retry later, safely), JobParked (an operator decides), BudgetExceeded, or why it was
    rejected.
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
        await _resolve_by_lookup(repository, lease, call, submission, submission.error or "a run died while sending it")
        return
    if not (call.idempotency_window or await repository.is_intent_current(submission, MAX_SEND_DELAY)):
        raise RetryableError(
            f"this run stalled before it called {call.vendor}; checking first whether another run has submitted"
        )
    try:
        accepted = await call.send(submission)
    except (OutcomeUnknown, JobParked) as doubt:  # JobParked: the vendor has another request under this key
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
        raise VendorUnavailable(f"{doubt}; retrying with the same key") from doubt
    reloaded = await _reload(repository, submission)
    await _resolve_by_lookup(repository, lease, call, reloaded, str(doubt))


async def _reload(repository: JobRepository, submission: Submission) -> Submission:
    """The current row: the vendor's callback may have arrived before its response was lost."""
    return next(row for row in await repository.list_submissions(submission.job_id) if row.id == submission.id)


async def _resolve_by_lookup(
    repository: JobRepository, lease: Lease, call: PaidCall, submission: Submission, reason: str
) -> None:
    """Adopt what is proven to be ours; release for sending what the vendor has certainly not accepted; else park.

    Raises RetryableError while the vendor cannot be queried or cannot tell yet, and if it is to be sent again.
    """
    with treat_rejection_as_unavailable(call.vendor):
        found = await call.find(submission)
    match found:
        case Accepted() as accepted:
            await _record_accepted(repository, lease, call, submission, accepted)
        case NotReceived(evidence):
            message = f"{call.vendor} has not accepted the submission ({reason})"
            await repository.record_not_accepted(lease, submission, message, evidence)
            raise VendorUnavailable(f"{message}; sending it again")
        case Inconclusive(inconclusive_reason):
            await _park_in_doubt(repository, lease, call, f"{reason}; {inconclusive_reason}", submission)


async def _record_waiting(repository: JobRepository, lease: Lease, submission: Submission, reason: str) -> None:
    await _record_with_retry(
        lambda: repository.record_outcome(lease, submission, SubmissionState.WAITING, error=reason)
    )


async def _handle_rejection(
    repository: JobRepository, lease: Lease, call: PaidCall, intent: Intent, refusal: PermanentError
) -> NoReturn:
    """A rejected first send is final; a rejected replay does not prove that the first one was not accepted."""
    if not intent.unsent:
        await _park_in_doubt(
            repository, lease, call, f"an earlier attempt may have been accepted, and its retry was rejected: {refusal}"
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
    """Record a fact, retrying while Postgres restarts or fails over."""
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(DatabaseUnavailable),
        wait=wait_fixed(RECORD_RETRY_SECONDS),
        stop=stop_after_delay(RECORD_TIMEOUT_SECONDS),
        reraise=True,
    ):
        with attempt:
            await record()
