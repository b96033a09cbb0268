"""The one way in which money is spent: intent, call, outcome.

    ledger.intend      committed: the exact bytes, the key
    send               the call; no transaction is open
    ledger.accept      committed: the vendor's id and the job's next point

A crash between the first and the last leaves the submission in doubt. A vendor that takes an idempotency key is then
asked again with the same key and bytes (`replayable`); for any other the job is parked, never sent again by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

from videojobs.errors import Final, JobParked, LedgerUnavailable, OutcomeUnknown, Retryable, VendorUnavailable
from videojobs.ledger import Intent, Lease, Ledger, Submission, SubmissionState
from videojobs.ledger.tables import Json
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


@dataclass(frozen=True, slots=True)
class PaidCall:
    """A vendor's submit call. `body` gives the exact bytes, `send` sends them."""

    vendor: str  # as people call it
    stage: Stage
    to: Point
    body: Callable[[Submission], bytes]
    send: Callable[[Submission], Awaitable[Accepted]]
    replayable: bool


async def submit_once(ledger: Ledger, lease: Lease, call: PaidCall) -> None:
    """Make the paid call unless it was made before.

    Raises Retryable (try again later, safely), JobParked (an operator decides), or why it was refused.
    """
    intent = await ledger.intend(lease, call.stage, call.body)
    submission = intent.submission
    if submission.vendor_id is not None:
        return
    if not (intent.fresh or call.replayable):
        await _park(ledger, lease, call, "a run died while it was being sent")
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
) -> NoReturn:
    await _persist(lambda: ledger.settle(lease, submission, SubmissionState.UNKNOWN, error=str(doubt)))
    if call.replayable and isinstance(doubt, OutcomeUnknown):
        raise VendorUnavailable(f"{doubt}; asking again with the same key") from doubt
    await _park(ledger, lease, call, str(doubt))


async def _waits(ledger: Ledger, lease: Lease, submission: Submission, why: str) -> None:
    await _persist(lambda: ledger.settle(lease, submission, SubmissionState.WAITING, error=why))


async def _refused(ledger: Ledger, lease: Lease, call: PaidCall, intent: Intent, refusal: Final) -> NoReturn:
    """A refusal of a first send is final; a refusal of a replay does not prove that the first was not taken."""
    if not intent.fresh:
        await _park(ledger, lease, call, f"an earlier try may have been taken, and its repeat was refused: {refusal}")
    await _persist(lambda: ledger.settle(lease, intent.submission, SubmissionState.REFUSED, error=str(refusal)))
    raise refusal


async def _park(ledger: Ledger, lease: Lease, call: PaidCall, why: str) -> NoReturn:
    reason = (
        f"it is not known whether {call.vendor} took the submission ({why}). "
        f"Look for the job id in the {call.vendor} dashboard before you submit again: each submission costs."
    )
    await _persist(lambda: ledger.park(lease, reason))
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
