"""Intent, call, outcome: what becomes of a job for each way in which a paid call can end."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tasks.submission import Accepted, Finding, PaidCall, submit_once
from tests.ledger.conftest import Opened
from videojobs.costs import Cost
from videojobs.errors import (
    ConfigurationError,
    JobParked,
    OutcomeUnknown,
    Retryable,
    VendorRefused,
    VendorThrottled,
    VendorUnavailable,
)
from videojobs.ledger import Lease, Ledger, Submission, SubmissionState
from videojobs.states import Point, Stage

Send = Callable[[Submission], Awaitable[Accepted]]


class Vendor:
    """A vendor that counts what it was sent, and answers with what it was told to."""

    def __init__(self, *answers: Exception | str) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, bytes]] = []

    async def __call__(self, submission: Submission) -> Accepted:
        self.sent.append((submission.idempotency_key, submission.request_body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Accepted(vendor_id=f"{answer}-{submission.job_id}", answer={}, metadata={"sync_generation_id": answer})


def a_call(vendor: Send, *, replayable: bool) -> PaidCall:
    return PaidCall(
        vendor="Sync.so" if replayable else "GhostCut",
        stage=Stage.LIP_SYNC,
        to=Point.LIP_SYNC_SUBMITTED,
        body=lambda submission: f"body of {submission.id}".encode(),
        send=vendor,
        replay_within=timedelta(hours=20 if replayable else 0),
        cost=Cost(usd=Decimal(1), seconds=10, basis="price list"),
    )


@pytest.fixture
async def lease(ledger: Ledger, opened: Opened) -> Lease:
    lease = await opened()
    await ledger.advance(lease, Point.UPLOADED)
    return lease


async def state_of(ledger: Ledger, lease: Lease) -> str:
    return (await ledger.submissions(lease.job_id))[-1].state


async def test_an_accepted_submission_is_never_sent_again(ledger: Ledger, lease: Lease) -> None:
    vendor = Vendor("gen")
    for _ in range(3):
        await submit_once(ledger, lease, a_call(vendor, replayable=False))
    assert len(vendor.sent) == 1
    assert (await ledger.job(lease.job_id)).point is Point.LIP_SYNC_SUBMITTED


@pytest.mark.parametrize("delay", [VendorThrottled("429"), VendorUnavailable("connection refused")])
@pytest.mark.parametrize("replayable", [True, False])
async def test_what_was_surely_not_taken_is_sent_again_with_the_same_key_and_bytes(
    ledger: Ledger, lease: Lease, delay: Retryable, replayable: bool
) -> None:
    vendor = Vendor(delay, "gen")
    with pytest.raises(type(delay)):
        await submit_once(ledger, lease, a_call(vendor, replayable=replayable))
    assert await state_of(ledger, lease) == SubmissionState.WAITING
    await submit_once(ledger, lease, a_call(vendor, replayable=replayable))
    assert vendor.sent[0] == vendor.sent[1]
    assert await state_of(ledger, lease) == SubmissionState.ACCEPTED


@pytest.mark.parametrize("refusal", [VendorRefused("422", code="bad"), ConfigurationError("401")])
async def test_a_refusal_of_a_first_send_ends_the_submission_and_says_why(
    ledger: Ledger, lease: Lease, refusal: Exception
) -> None:
    with pytest.raises(type(refusal)):
        await submit_once(ledger, lease, a_call(Vendor(refusal), replayable=False))
    [row] = await ledger.submissions(lease.job_id)
    assert (row.state, row.error) == (SubmissionState.REFUSED, str(refusal))


async def test_a_lost_answer_of_a_vendor_with_keys_is_asked_for_again_with_the_same_key_and_bytes(
    ledger: Ledger, lease: Lease
) -> None:
    vendor = Vendor(OutcomeUnknown("connection reset"), "gen")
    with pytest.raises(VendorUnavailable, match="same key"):
        await submit_once(ledger, lease, a_call(vendor, replayable=True))
    assert await state_of(ledger, lease) == SubmissionState.UNKNOWN
    await submit_once(ledger, lease, a_call(vendor, replayable=True))
    assert vendor.sent[0] == vendor.sent[1]
    assert len(await ledger.submissions(lease.job_id)) == 1


async def test_a_lost_answer_of_a_vendor_without_keys_parks_the_job_and_is_never_sent_again(
    ledger: Ledger, lease: Lease
) -> None:
    vendor = Vendor(OutcomeUnknown("connection reset"))
    for _ in range(2):
        with pytest.raises(JobParked):
            await submit_once(ledger, lease, a_call(vendor, replayable=False))
    assert len(vendor.sent) == 1
    job = await ledger.job(lease.job_id)
    assert job.parked_reason is not None
    assert "GhostCut dashboard" in job.parked_reason


async def test_a_run_that_died_between_intent_and_outcome_parks_the_job_of_a_vendor_without_keys(
    ledger: Ledger, lease: Lease
) -> None:
    vendor = Vendor("never asked")
    call = a_call(vendor, replayable=False)
    await ledger.intend(lease, call.stage, call.body)
    with pytest.raises(JobParked, match="died"):
        await submit_once(ledger, lease, call)
    assert vendor.sent == []


async def test_a_run_that_died_between_intent_and_outcome_asks_a_vendor_with_keys_again(
    ledger: Ledger, lease: Lease
) -> None:
    vendor = Vendor("gen")
    call = a_call(vendor, replayable=True)
    intent = await ledger.intend(lease, call.stage, call.body)
    await submit_once(ledger, lease, call)
    assert vendor.sent == [(intent.submission.idempotency_key, intent.submission.request_body)]


async def test_a_refused_replay_does_not_prove_that_the_first_was_not_taken_so_the_job_is_parked(
    ledger: Ledger, lease: Lease
) -> None:
    vendor = Vendor(OutcomeUnknown("time-out"), ConfigurationError("the key was revoked"))
    call = a_call(vendor, replayable=True)
    with pytest.raises(VendorUnavailable):
        await submit_once(ledger, lease, call)
    with pytest.raises(JobParked, match="revoked"):
        await submit_once(ledger, lease, call)
    assert await state_of(ledger, lease) == SubmissionState.UNKNOWN


async def test_a_key_that_the_vendor_knows_with_another_request_parks_the_job(ledger: Ledger, lease: Lease) -> None:
    with pytest.raises(JobParked, match="another payload"):
        await submit_once(ledger, lease, a_call(Vendor(JobParked("another payload")), replayable=True))
    assert await state_of(ledger, lease) == SubmissionState.UNKNOWN
    assert (await ledger.job(lease.job_id)).parked_reason is not None


async def test_a_throttled_replay_stays_in_doubt(ledger: Ledger, lease: Lease) -> None:
    vendor = Vendor(OutcomeUnknown("time-out"), VendorThrottled("429"), "gen")
    call = a_call(vendor, replayable=True)
    for _ in range(2):
        with pytest.raises(Retryable):
            await submit_once(ledger, lease, call)
    assert await state_of(ledger, lease) == SubmissionState.UNKNOWN
    await submit_once(ledger, lease, call)
    assert len({key for key, _ in vendor.sent}) == 1


async def test_a_doubt_that_is_older_than_the_vendors_memory_of_keys_is_never_sent_again(
    ledger: Ledger, lease: Lease
) -> None:
    vendor = Vendor(OutcomeUnknown("reset"), "never")
    with pytest.raises(VendorUnavailable):
        await submit_once(ledger, lease, a_call(vendor, replayable=True))
    old = replace(a_call(vendor, replayable=True), replay_within=timedelta(microseconds=1))
    with pytest.raises(JobParked):
        await submit_once(ledger, lease, old)
    assert len(vendor.sent) == 1


async def test_a_lost_submission_that_the_vendor_can_prove_is_adopted_and_not_sent_again(
    ledger: Ledger, lease: Lease
) -> None:
    async def find(submission: Submission) -> Finding:
        return Accepted(vendor_id=f"found-{submission.job_id}", answer={}, metadata={})

    vendor = Vendor(OutcomeUnknown("reset"))
    await submit_once(ledger, lease, replace(a_call(vendor, replayable=False), find=find))
    assert await state_of(ledger, lease) == SubmissionState.ACCEPTED
    assert (await ledger.job(lease.job_id)).point is Point.LIP_SYNC_SUBMITTED
    assert len(vendor.sent) == 1
