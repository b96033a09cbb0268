"""Intent, call, outcome: the resulting state of a job for each way in which a paid call can end."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tasks.runtime.paid_call import PaidCall, submit_idempotently
from tests.integration.db.conftest import CreateLeasedJob
from videojobs.db import JobRepository, Lease, Submission, SubmissionState
from videojobs.errors import (
    ConfigurationError,
    JobParked,
    OutcomeUnknown,
    RetryableError,
    VendorRateLimited,
    VendorRejected,
    VendorUnavailable,
)
from videojobs.pipeline.costs import Cost
from videojobs.providers.lookup import Accepted, LookupResult
from videojobs.states import RecoveryPoint, Stage

Send = Callable[[Submission], Awaitable[Accepted]]


class FakeVendor:
    """A vendor that records what it was sent, and gives the scripted replies."""

    def __init__(self, *answers: Exception | str) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, bytes]] = []

    async def __call__(self, submission: Submission) -> Accepted:
        self.sent.append((submission.idempotency_key, submission.request_body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Accepted(vendor_id=f"{answer}-{submission.job_id}", answer={}, metadata={"sync_generation_id": answer})


def make_paid_call(vendor: Send, *, replayable: bool) -> PaidCall:
    return PaidCall(
        provider="sync_so" if replayable else "ghostcut",
        stage=Stage.LIP_SYNC,
        next_point=RecoveryPoint.LIP_SYNC_SUBMITTED,
        build_body=lambda submission: f"body of {submission.id}".encode(),
        send=vendor,
        idempotency_window=timedelta(hours=20 if replayable else 0),
        cost=Cost(usd=Decimal(1), seconds=10, basis="price list"),
    )


@pytest.fixture
async def lease(repository: JobRepository, create_leased_job: CreateLeasedJob) -> Lease:
    lease = await create_leased_job()
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    return lease


async def submission_state(repository: JobRepository, lease: Lease) -> str:
    return (await repository.list_submissions(lease.job_id))[-1].state


async def test_an_accepted_submission_is_never_sent_again(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor("gen")
    for _ in range(3):
        await submit_idempotently(repository, lease, make_paid_call(vendor, replayable=False))
    assert len(vendor.sent) == 1
    assert (await repository.get_job(lease.job_id)).recovery_point is RecoveryPoint.LIP_SYNC_SUBMITTED


@pytest.mark.parametrize("delay", [VendorRateLimited("429"), VendorUnavailable("connection refused")])
@pytest.mark.parametrize("replayable", [True, False])
async def test_an_unsent_call_is_resent_with_the_same_key_and_bytes(
    repository: JobRepository, lease: Lease, delay: RetryableError, replayable: bool
) -> None:
    vendor = FakeVendor(delay, "gen")
    with pytest.raises(type(delay)):
        await submit_idempotently(repository, lease, make_paid_call(vendor, replayable=replayable))
    assert await submission_state(repository, lease) == SubmissionState.WAITING
    await submit_idempotently(repository, lease, make_paid_call(vendor, replayable=replayable))
    assert vendor.sent[0] == vendor.sent[1]
    assert await submission_state(repository, lease) == SubmissionState.ACCEPTED


@pytest.mark.parametrize("refusal", [VendorRejected("422", vendor_code="bad"), ConfigurationError("401")])
async def test_a_refused_first_send_ends_the_submission_with_a_reason(
    repository: JobRepository, lease: Lease, refusal: Exception
) -> None:
    with pytest.raises(type(refusal)):
        await submit_idempotently(repository, lease, make_paid_call(FakeVendor(refusal), replayable=False))
    [row] = await repository.list_submissions(lease.job_id)
    assert (row.state, row.error) == (SubmissionState.REFUSED, str(refusal))


async def test_a_lost_answer_is_replayed_with_the_same_key_and_bytes(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor(OutcomeUnknown("connection reset"), "gen")
    with pytest.raises(VendorUnavailable, match="same key"):
        await submit_idempotently(repository, lease, make_paid_call(vendor, replayable=True))
    assert await submission_state(repository, lease) == SubmissionState.UNKNOWN
    await submit_idempotently(repository, lease, make_paid_call(vendor, replayable=True))
    assert vendor.sent[0] == vendor.sent[1]
    assert len(await repository.list_submissions(lease.job_id)) == 1


async def test_a_lost_answer_without_idempotency_parks_the_job(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor(OutcomeUnknown("connection reset"))
    for _ in range(2):
        with pytest.raises(JobParked):
            await submit_idempotently(repository, lease, make_paid_call(vendor, replayable=False))
    assert len(vendor.sent) == 1
    job = await repository.get_job(lease.job_id)
    assert job.parked_reason is not None
    assert "GhostCut dashboard" in job.parked_reason


async def test_a_run_dead_after_its_intent_parks_without_idempotency(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor("never asked")
    call = make_paid_call(vendor, replayable=False)
    await repository.create_intent(lease, call.stage, call.build_body, provider=call.provider)
    with pytest.raises(JobParked, match="died"):
        await submit_idempotently(repository, lease, call)
    assert vendor.sent == []


async def test_a_run_dead_after_its_intent_is_replayed_with_its_key(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor("gen")
    call = make_paid_call(vendor, replayable=True)
    intent = await repository.create_intent(lease, call.stage, call.build_body, provider=call.provider)
    await submit_idempotently(repository, lease, call)
    assert vendor.sent == [(intent.submission.idempotency_key, intent.submission.request_body)]


async def test_a_refused_replay_parks_the_job(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor(OutcomeUnknown("time-out"), ConfigurationError("the key was revoked"))
    call = make_paid_call(vendor, replayable=True)
    with pytest.raises(VendorUnavailable):
        await submit_idempotently(repository, lease, call)
    with pytest.raises(JobParked, match="revoked"):
        await submit_idempotently(repository, lease, call)
    assert await submission_state(repository, lease) == SubmissionState.UNKNOWN


async def test_an_idempotency_key_conflict_parks_the_job(repository: JobRepository, lease: Lease) -> None:
    with pytest.raises(JobParked, match="another payload"):
        await submit_idempotently(
            repository, lease, make_paid_call(FakeVendor(JobParked("another payload")), replayable=True)
        )
    assert await submission_state(repository, lease) == SubmissionState.UNKNOWN
    assert (await repository.get_job(lease.job_id)).parked_reason is not None


async def test_a_throttled_replay_keeps_the_outcome_unknown(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor(OutcomeUnknown("time-out"), VendorRateLimited("429"), "gen")
    call = make_paid_call(vendor, replayable=True)
    for _ in range(2):
        with pytest.raises(RetryableError):
            await submit_idempotently(repository, lease, call)
    assert await submission_state(repository, lease) == SubmissionState.UNKNOWN
    await submit_idempotently(repository, lease, call)
    assert len({key for key, _ in vendor.sent}) == 1


async def test_an_expired_idempotency_key_is_never_replayed(repository: JobRepository, lease: Lease) -> None:
    vendor = FakeVendor(OutcomeUnknown("reset"), "never")
    with pytest.raises(VendorUnavailable):
        await submit_idempotently(repository, lease, make_paid_call(vendor, replayable=True))
    old = replace(make_paid_call(vendor, replayable=True), idempotency_window=timedelta(microseconds=1))
    with pytest.raises(JobParked):
        await submit_idempotently(repository, lease, old)
    assert len(vendor.sent) == 1


async def test_a_submission_found_at_the_vendor_is_adopted(repository: JobRepository, lease: Lease) -> None:
    async def find(submission: Submission) -> LookupResult:
        return Accepted(vendor_id=f"found-{submission.job_id}", answer={}, metadata={})

    vendor = FakeVendor(OutcomeUnknown("reset"))
    await submit_idempotently(repository, lease, replace(make_paid_call(vendor, replayable=False), find=find))
    assert await submission_state(repository, lease) == SubmissionState.ACCEPTED
    assert (await repository.get_job(lease.job_id)).recovery_point is RecoveryPoint.LIP_SYNC_SUBMITTED
    assert len(vendor.sent) == 1
