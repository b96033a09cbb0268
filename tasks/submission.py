"""The one way in which money is spent: intent, call, outcome.

    ledger.intend      committed: the exact bytes, the key
    send               the call; no transaction is open
    ledger.accept      committed: the vendor's id and the job's next point

A crash between the first and the last leaves the submission in doubt. Then, by the vendor's own means:

    a vendor that takes an idempotency key is asked again with the same key and bytes, as long as it surely still knows
    the key (`replay_within`);
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

from tasks.run import JobRun
from tasks.uninterrupted import uninterrupted
from tasks.waiting import no_verdict
from videojobs.at_rest import at_rest
from videojobs.costs import Budget, Cost
from videojobs.errors import (
    Final,
    JobParked,
    LedgerUnavailable,
    OutcomeUnknown,
    Retryable,
    StillInDoubt,
    VendorUnavailable,
)
from videojobs.ledger import Intent, Lease, Ledger, Submission, SubmissionState
from videojobs.ledger.tables import Json
from videojobs.recovery import lost_answer
from videojobs.states import Point, Stage

# An outcome in memory is worth waiting for: a restarting Postgres is back within seconds, a fail-over within minutes.
RECORD_FOR_SECONDS = 600
RECORD_PAUSE_SECONDS = 1.0

# A process may stand still after its intent (a stopped machine, a full one) until others have seen that the vendor has
# nothing, and sent it again. So a call without a key begins within a minute of its intent, or not at all. What HTTP
# adds (videojobs/vendors/http.py: 60 s for a free connection, 3 x 10 s for a new one, 30 s to write) makes it three
# minutes at most until the last byte has left.
SEND_WITHIN = timedelta(seconds=60)
NEXT_LOOK = 0.5  # the pause between two looks, as a share of the time since the intent: at first soon, then seldom
LONGEST_PAUSE = timedelta(seconds=60)


TAKEN: Json = {"accepted": True}
"""What is kept of an answer that said no more than that."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the vendor answered to an accepted submission."""

    vendor_id: str
    answer: Json
    metadata: Json  # for the operators' view of the job
    batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The vendor surely has not taken the submission. `seen` is by what it was proven, for the job's events."""

    seen: Json


@dataclass(frozen=True, slots=True)
class NoProof:
    """The vendor cannot tell what became of a submission, and why."""

    why: str


Finding = Accepted | NotTaken | NoProof


async def _nothing_to_ask_by(submission: Submission) -> Finding:
    return NoProof("nothing is known to ask it by")


def not_settled(waited: timedelta, settling: timedelta) -> StillInDoubt:
    """A submission is not to be seen at its vendor, `waited` after its intent; it may be until `settling`."""
    pause = min(max(waited * NEXT_LOOK, timedelta(seconds=1)), settling - waited, LONGEST_PAUSE)
    return StillInDoubt(
        f"the vendor does not show the submission {waited.total_seconds():.0f} s after it may have been sent; "
        f"after {settling.total_seconds():.0f} s it will count as not taken",
        retry_after=pause.total_seconds(),
    )


@dataclass(frozen=True, slots=True)
class PaidCall:
    """A vendor's submit call. `body` gives the exact bytes, `send` sends them.

    `find` asks the vendor for a submission whose answer was lost; it raises StillInDoubt where that is too early.
    `replay_within` is how old a key may be that is sent again; zero where the vendor knows no keys.
    `same_bytes_for` is how old bytes may be that are sent for the first time: links in them end.
    """

    vendor: str  # as people call it
    stage: Stage
    to: Point
    body: Callable[[Submission], bytes]
    send: Callable[[Submission], Awaitable[Accepted]]
    replay_within: timedelta
    cost: Cost  # what it is expected to cost; budgets are held against it
    find: Callable[[Submission], Awaitable[Finding]] = _nothing_to_ask_by
    same_bytes_for: timedelta | None = None


async def buy(run: JobRun, call: PaidCall) -> None:
    """`submit_once` for a run, as a whole: a cancelled run comes to its end, and the outcome on the books, first.

    Waits for as long as the vendor cannot tell yet what became of a lost answer: `find` bounds that time, so no
    retries of the step are used up for it. A run may be cancelled in these pauses.
    """

    async def whole() -> None:
        await submit_once(await run.connections.ledger(), run.lease, call)

    try:
        await uninterrupted(whole)
    except StillInDoubt as doubt:
        get_run_logger().warning("Job %s: the answer of %s was lost; %s", run.job_id, call.vendor, doubt)
        await _until_known(run, whole, doubt)


async def _until_known(run: JobRun, attempt: Callable[[], Coroutine[None, None, None]], doubt: StillInDoubt) -> None:
    """Try again and again, and at once when the vendor's callback names something."""
    bell = (await run.connections.ledger()).bell
    rung = asyncio.Event()
    at_rest()
    with bell.heard_by(run.job_id, rung.set):
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(rung.wait(), doubt.retry_after)
            rung.clear()
            try:
                await uninterrupted(attempt)
            except StillInDoubt as still:
                doubt = still
            else:
                return


async def submit_once(ledger: Ledger, lease: Lease, call: PaidCall) -> None:
    """Make the paid call unless it was made before.

    Raises Retryable (try again later, safely), JobParked (an operator decides), BudgetExceeded, or why it was refused.
    """
    intent = await ledger.intend(
        lease, call.stage, call.body, cost=call.cost, budget=Budget(), same_bytes_for=call.same_bytes_for
    )
    submission = intent.submission
    if submission.vendor_id is not None:
        return
    if not (intent.fresh or await ledger.body_age(submission) < call.replay_within):
        await _find(ledger, lease, call, submission, submission.error or "a run died while it was being sent")
        return
    if not (call.replay_within or await ledger.stands(submission, SEND_WITHIN)):
        raise Retryable(f"this run stood still before it called {call.vendor}; it looks what has become of that first")
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
    said = TAKEN if isinstance(doubt, OutcomeUnknown) and doubt.taken else None
    await _persist(lambda: ledger.settle(lease, submission, state, error=str(doubt), batch_id=named, answer=said))
    if call.replay_within and isinstance(doubt, OutcomeUnknown):
        raise VendorUnavailable(f"{doubt}; asking again with the same key") from doubt
    known = await _again(ledger, submission)
    await _find(ledger, lease, call, known, str(doubt))


async def _again(ledger: Ledger, submission: Submission) -> Submission:
    """The submission as it is on the books now: the vendor's callback may have come before its answer was lost."""
    return next(row for row in await ledger.submissions(submission.job_id) if row.id == submission.id)


async def _find(ledger: Ledger, lease: Lease, call: PaidCall, submission: Submission, why: str) -> None:
    """Adopt what the vendor proves to be ours; free what it surely has not taken, to be sent again; else park.

    Raises Retryable while the vendor cannot be asked or cannot tell yet, and where it is to be sent again.
    """
    with no_verdict(call.vendor):
        found = await call.find(submission)
    match found:
        case Accepted() as ours:
            await _accept(ledger, lease, call, submission, ours)
        case NotTaken(seen):
            nothing = f"{call.vendor} has not taken the submission ({why})"
            await ledger.not_taken(lease, submission, nothing, seen)
            raise VendorUnavailable(f"{nothing}; it is sent again")
        case NoProof(no_proof):
            await _park(ledger, lease, call, f"{why}; {no_proof}", submission)


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
