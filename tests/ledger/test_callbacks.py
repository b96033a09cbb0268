"""What a vendor's callback changes on the books, for each way in which a submission can stand when it comes."""

import asyncio

import pytest

from tests.ledger.conftest import CreateLeasedJob
from tests.ledger.test_bell import wait_until_listening
from videojobs.errors import RetryableError
from videojobs.ledger import JobRepository, Lease, Submission, SubmissionState
from videojobs.states import RecoveryPoint, Stage, Status


@pytest.fixture
async def lease(ledger: JobRepository, create_leased_job: CreateLeasedJob) -> Lease:
    """A run that has just sent the text removal."""
    lease = await create_leased_job()
    for point in (RecoveryPoint.UPLOADED, RecoveryPoint.LIP_SYNC_SUBMITTED, RecoveryPoint.LIP_SYNC_STORED):
        await ledger.advance(lease, point)
    await ledger.create_intent(lease, Stage.TEXT_REMOVAL, lambda _: b"{}")
    return lease


async def only_submission(ledger: JobRepository, lease: Lease) -> Submission:
    [submission] = await ledger.list_submissions(lease.job_id)
    return submission


async def park_with_unknown_outcome(ledger: JobRepository, lease: Lease) -> Submission:
    """Its answer is lost, and the job is parked."""
    submission = await only_submission(ledger, lease)
    await ledger.record_outcome(lease, submission, SubmissionState.UNKNOWN)
    await ledger.park(lease, "nobody knows", unresolved=submission)
    await ledger.release_lease(lease)
    return submission


async def event_kinds(ledger: JobRepository, lease: Lease) -> list[str]:
    return [event.kind for event in await ledger.list_events(lease.job_id)]


async def test_a_callback_token_finds_only_a_submission_of_its_stage(ledger: JobRepository, lease: Lease) -> None:
    submission = await only_submission(ledger, lease)
    found = await ledger.submission_by_callback_token(submission.callback_token, Stage.TEXT_REMOVAL)
    assert found is not None
    assert found.id == submission.id
    assert await ledger.submission_by_callback_token(submission.callback_token, Stage.LIP_SYNC) is None
    assert await ledger.submission_by_callback_token(submission.callback_token[:-1], Stage.TEXT_REMOVAL) is None


async def test_a_callback_unparks_a_job_with_an_unknown_outcome(ledger: JobRepository, lease: Lease) -> None:
    submission = await park_with_unknown_outcome(ledger, lease)
    job = await ledger.record_callback(submission, "work-1", batch_id="project-1")
    assert job is not None
    assert (job.parked_reason, job.progress_message) == (None, "Lip-sync completed")
    known = await only_submission(ledger, lease)
    assert (known.candidate_id, known.vendor_batch_id, known.vendor_id) == ("work-1", "project-1", None)
    assert await ledger.acquire_lease(Lease(job.id, "another run/1"), seconds=60) is None


async def test_a_callback_does_not_wait_for_a_run_that_is_parking(ledger: JobRepository, lease: Lease) -> None:
    submission = await only_submission(ledger, lease)
    await ledger.park(lease, "nobody knows", unresolved=submission)
    assert await ledger.record_callback(submission, "work-1") is not None
    assert await ledger.acquire_lease(Lease(lease.job_id, "another run/1"), seconds=60) is None


async def test_a_repeated_callback_starts_the_same_run(ledger: JobRepository, lease: Lease) -> None:
    """The run's idempotency key is made of the job's id and `updated_at`."""
    submission = await park_with_unknown_outcome(ledger, lease)
    jobs = [await ledger.record_callback(submission, "work-1") for _ in range(3)]
    assert len({job and job.updated_at for job in jobs}) == 1
    assert None not in jobs
    assert (await event_kinds(ledger, lease)).count("heard_of") == 1


async def test_a_rejected_candidate_stays_parked_until_another_comes(ledger: JobRepository, lease: Lease) -> None:
    submission = await park_with_unknown_outcome(ledger, lease)
    await ledger.record_callback(submission, "somebody else's")
    await ledger.acquire_lease(lease, seconds=60)
    await ledger.park(lease, "it is not ours", unresolved=await only_submission(ledger, lease))
    await ledger.release_lease(lease)
    assert await ledger.record_callback(submission, "somebody else's") is None
    assert (await ledger.get_job(lease.job_id)).parked_reason == "it is not ours"
    assert await ledger.record_callback(submission, "ours") is not None


async def test_a_callback_during_a_run_starts_no_other_run(ledger: JobRepository, lease: Lease) -> None:
    submission = await only_submission(ledger, lease)
    assert await ledger.record_callback(submission, "work-1") is None
    assert (await only_submission(ledger, lease)).candidate_id == "work-1"


async def test_a_callback_during_the_vendor_query_prevents_parking(ledger: JobRepository, lease: Lease) -> None:
    asked_about = await only_submission(ledger, lease)
    await ledger.record_callback(asked_about, "work-1")
    with pytest.raises(RetryableError, match="just named the work"):
        await ledger.park(lease, "nobody knows", unresolved=asked_about)
    assert (await ledger.get_job(lease.job_id)).parked_reason is None


async def test_a_callback_prevents_resending_a_submission(ledger: JobRepository, lease: Lease) -> None:
    submission = await only_submission(ledger, lease)
    await ledger.record_outcome(lease, submission, SubmissionState.WAITING, error="code 3006")
    await ledger.record_callback(submission, "work-1")
    assert not (await ledger.create_intent(lease, Stage.TEXT_REMOVAL, lambda _: b"{}")).unsent


async def test_a_cancelled_job_stores_the_callback_and_starts_no_run(ledger: JobRepository, lease: Lease) -> None:
    submission = await only_submission(ledger, lease)
    await ledger.cancel(lease.job_id, lease.flow_run_id, "stopped", actor="test")
    assert await ledger.record_callback(submission, "work-1") is None
    assert (await ledger.get_job(lease.job_id)).status == Status.CANCELLED
    assert (await only_submission(ledger, lease)).candidate_id == "work-1"


async def test_a_callback_for_an_accepted_submission_changes_nothing(ledger: JobRepository, lease: Lease) -> None:
    submission = await only_submission(ledger, lease)
    await ledger.record_accepted(
        lease, submission, RecoveryPoint.TEXT_REMOVAL_SUBMITTED, vendor_id=lease.job_id, answer={}, metadata={}
    )
    await ledger.release_lease(lease)
    before = await event_kinds(ledger, lease)
    assert await ledger.record_callback(submission, lease.job_id) is None
    assert await event_kinds(ledger, lease) == before


async def test_a_callback_wakes_the_waiting_run(ledger: JobRepository, lease: Lease) -> None:
    submission = await only_submission(ledger, lease)
    await ledger.record_accepted(
        lease, submission, RecoveryPoint.TEXT_REMOVAL_SUBMITTED, vendor_id="work-1", answer={}, metadata={}
    )
    woken = asyncio.Event()
    with ledger.notifications.subscribe(lease.job_id, woken.set):
        await wait_until_listening(ledger)
        woken.clear()
        assert await ledger.record_callback(submission, "work-1") is None
        async with asyncio.timeout(5):
            await woken.wait()


async def park_as_overdue(ledger: JobRepository, lease: Lease) -> Submission:
    """The vendor has it, was not done in time, and the job is parked."""
    submission = await only_submission(ledger, lease)
    await ledger.record_accepted(
        lease, submission, RecoveryPoint.TEXT_REMOVAL_SUBMITTED, vendor_id=lease.job_id, answer={}, metadata={}
    )
    await ledger.park(lease, "not finished within 6 hours")
    await ledger.release_lease(lease)
    return submission


async def test_a_callback_resumes_a_job_parked_as_overdue(ledger: JobRepository, lease: Lease) -> None:
    submission = await park_as_overdue(ledger, lease)
    assert await ledger.record_callback(submission, "somebody else's") is None
    assert (await ledger.get_job(lease.job_id)).parked_reason is not None
    jobs = [
        await ledger.record_callback(submission, lease.job_id) for _ in range(2)
    ]  # no run could be started at first
    assert [job and job.parked_reason for job in jobs] == [None, None]
    assert len({job and job.updated_at for job in jobs}) == 1
    assert await ledger.acquire_lease(Lease(lease.job_id, "another run/1"), seconds=60) is None
    assert await ledger.record_callback(submission, lease.job_id) is None


async def test_a_retry_restarts_the_overdue_clock(ledger: JobRepository, lease: Lease) -> None:
    submission = await park_as_overdue(ledger, lease)
    before = await ledger.submission_age_since_reopen(submission)
    await ledger.acquire_lease(lease, seconds=60)
    await ledger.reopen(lease, {"reason": "the vendor says that it goes on"})
    assert await ledger.submission_age_since_reopen(submission) < before
    assert await ledger.submission_age(submission) > before, "a key at the vendor grows no younger by it"
