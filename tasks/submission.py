"""The one way in which money is spent: intent, call, outcome.

    ledger.intend      committed: the exact bytes, the key
    send               the call; no transaction is open
    ledger.accept      committed: the vendor's id and the job's next point

A crash between the first and the last leaves the submission in doubt. Then, by the vendor's own means:

    a vendor that takes an idempotency key is asked again with the same key and bytes, as long as it surely still knows
    the key (`replay_within`);
    any other is asked what became of the submission (`find`), as far as anything is known to ask by;
    if that proves nothing, the job is parked, and never sent again by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import NoReturn

from tasks.run import JobRun
from tasks.uninterrupted import uninterrupted
from tasks.waiting import no_verdict
from videojobs.costs import Budget, Cost
from videojobs.errors import Final, JobParked, LedgerUnavailable, OutcomeUnknown, Retryable, VendorUnavailable
from videojobs.ledger import Intent, Lease, Ledger, Submission, SubmissionState
from videojobs.ledger.tables import Json
from videojobs.recovery import lost_answer
from videojobs.states import Point, Stage

# An outcome in memory is worth waiting for: a restarting Postgres is back within seconds, a fail-over within minutes.
RECORD_FOR_SECONDS = 600
RECORD_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the vendor answered to an accepted submission."""

    vendor_id: str
    answer: Json
    metadata: Json  # for the operators' view of the job
    batch_id: str | None = None


async def _nothing_to_ask_by(submission: Submission) -> Accepted | None:
    return None


@dataclass(frozen=True, slots=True)
class PaidCall:
    """A vendor's submit call. `body` gives the exact bytes, `send` sends them.

    `find` asks the vendor for a submission whose answer was lost; None where the vendor proves nothing.
    `replay_within` is how long after the intent the same key may be sent again; zero where the vendor knows no keys.
    """

    vendor: str  # as people call it
    stage: Stage
    to: Point
    body: Callable[[Submission], bytes]
    send: Callable[[Submission], Awaitable[Accepted]]
    replay_within: timedelta
    cost: Cost  # what it is expected to cost; budgets are held against it
    find: Callable[[Submission], Awaitable[Accepted | None]] = _nothing_to_ask_by


async def buy(run: JobRun, call: PaidCall) -> None:
    """`submit_once` for a run, as a whole: a cancelled run comes to its end, and the outcome on the books, first."""

    async def whole() -> None:
        await submit_once(await run.connections.ledger(), run.lease, call)

    await uninterrupted(whole)


async def submit_once(ledger: Ledger, lease: Lease, call: PaidCall) -> None:
    """Make the paid call unless it was made before.

    Raises Retryable (try again later, safely), JobParked (an operator decides), BudgetExceeded, or why it was refused.
    """
    intent = await ledger.intend(lease, call.stage, call.body, cost=call.cost, budget=Budget())
    submission = intent.submission
    if submission.vendor_id is not None:
        return
    if not (intent.fresh or await ledger.waited_for(submission) < call.replay_within):
        await _find(ledger, lease, call, submission, "a run died while it was being sent")
        return
    try:
        accepted = await call.send(submission)
    except (OutcomeUnknown, JobParked) as doubt:  # JobParked: the vendor knows this key, with another request
        await _in_doubt(ledger, lease, call, submission, doubt)
    except Retryable as delay:
        if intent.fresh:
            await _waits(ledger, lease, submission, str(delay))
        raise
    except Final as refusal:
        await _refused(ledger, lease, call, intent, refusal)
    else:
        await _accept(ledger, lease, call, submission, accepted)


async def _accept(ledger: Ledger, lease: Lease, call: PaidCall, submission: Submission, accepted: Accepted) -> None:
    await _persist(
        lambda: ledger.accept(
            lease,
            submission,
            call.to,
            vendor_id=accepted.vendor_id,
            batch_id=accepted.batch_id,
            answer=accepted.answer,
            metadata=accepted.metadata,
        )
    )


async def _in_doubt(
    ledger: Ledger, lease: Lease, call: PaidCall, submission: Submission, doubt: OutcomeUnknown | JobParked
) -> None:
    named = doubt.vendor_id if isinstance(doubt, OutcomeUnknown) else None
    state = SubmissionState.UNKNOWN
    await _persist(lambda: ledger.settle(lease, submission, state, error=str(doubt), batch_id=named))
    if call.replay_within and isinstance(doubt, OutcomeUnknown):
        raise VendorUnavailable(f"{doubt}; asking again with the same key") from doubt
    known = await _again(ledger, submission)
    await _find(ledger, lease, call, known, str(doubt))


async def _again(ledger: Ledger, submission: Submission) -> Submission:
    """The submission as it is on the books now: the vendor's callback may have come before its answer was lost."""
    return next(row for row in await ledger.submissions(submission.job_id) if row.id == submission.id)


async def _find(ledger: Ledger, lease: Lease, call: PaidCall, submission: Submission, why: str) -> None:
    """Adopt what the vendor proves to be ours, else park. Raises Retryable while the vendor cannot be asked."""
    with no_verdict(call.vendor):
        found = await call.find(submission)
    if found is None:
        await _park(ledger, lease, call, why, submission)
    await _accept(ledger, lease, call, submission, found)


async def _waits(ledger: Ledger, lease: Lease, submission: Submission, why: str) -> None:
    await _persist(lambda: ledger.settle(lease, submission, SubmissionState.WAITING, error=why))


async def _refused(ledger: Ledger, lease: Lease, call: PaidCall, intent: Intent, refusal: Final) -> NoReturn:
    """A refusal of a first send is final; a refusal of a replay does not prove that the first was not taken."""
    if not intent.fresh:
        await _park(ledger, lease, call, f"an earlier try may have been taken, and its repeat was refused: {refusal}")
    await _persist(lambda: ledger.settle(lease, intent.submission, SubmissionState.REFUSED, error=str(refusal)))
    raise refusal


async def _park(ledger: Ledger, lease: Lease, call: PaidCall, why: str, doubt: Submission | None = None) -> NoReturn:
    reason = lost_answer(call.vendor, why)
    await _persist(lambda: ledger.park(lease, reason, doubt=doubt))
    raise JobParked(reason)


async def _persist(record: Callable[[], Awaitable[object]]) -> None:
    """Record a fact, however long Postgres takes to come back."""
    deadline = asyncio.get_running_loop().time() + RECORD_FOR_SECONDS
    while True:
        try:
            await record()
        except LedgerUnavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(RECORD_PAUSE_SECONDS)
        else:
            return
