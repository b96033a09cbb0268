"""What a vendor's callback changes in the database, for each state of the submission when it arrives."""

import asyncio

import pytest

from tests.integration.db.conftest import CreateLeasedJob
from tests.integration.db.test_notifications import wait_until_listening
from videojobs.db import JobRepository, Lease, Submission, SubmissionState
from videojobs.errors import RetryableError
from videojobs.states import RecoveryPoint, Stage, Status


@pytest.fixture
async def lease(repository: JobRepository, create_leased_job: CreateLeasedJob) -> Lease:
    """The lease of a run that has just sent the text removal."""
    lease = await create_leased_job()
    for point in (RecoveryPoint.UPLOADED, RecoveryPoint.LIP_SYNC_SUBMITTED, RecoveryPoint.LIP_SYNC_STORED):
        await repository.advance(lease, point)
    await repository.create_intent(lease, Stage.TEXT_REMOVAL, lambda _: b"{}", provider="ghostcut")
    return lease


async def only_submission(repository: JobRepository, lease: Lease) -> Submission:
    [submission] = await repository.list_submissions(lease.job_id)
    return submission


async def park_with_unknown_outcome(repository: JobRepository, lease: Lease) -> Submission:
    """The submission's response is lost, and the job is parked."""
    submission = await only_submission(repository, lease)
    await repository.record_outcome(lease, submission, SubmissionState.UNKNOWN)
    await repository.park(lease, "nobody knows", unresolved=submission)
    await repository.release_lease(lease)
    return submission


async def event_kinds(repository: JobRepository, lease: Lease) -> list[str]:
    return [event.kind for event in await repository.list_events(lease.job_id)]


async def test_a_callback_token_finds_only_its_providers_submission(repository: JobRepository, lease: Lease) -> None:
    submission = await only_submission(repository, lease)
    found = await repository.submission_by_callback_token(submission.callback_token, "ghostcut")
    assert found is not None
    assert found.id == submission.id
    assert await repository.submission_by_callback_token(submission.callback_token, "sync_so") is None
    assert await repository.submission_by_callback_token(submission.callback_token[:-1], "ghostcut") is None


async def test_a_callback_unparks_a_job_with_an_unknown_outcome(repository: JobRepository, lease: Lease) -> None:
    submission = await park_with_unknown_outcome(repository, lease)
    job = await repository.record_callback(submission, "work-1", batch_id="project-1")
    assert job is not None
    assert (job.parked_reason, job.progress_message) == (None, "Lip-sync completed")
    known = await only_submission(repository, lease)
    assert (known.reported_vendor_id, known.vendor_batch_id, known.vendor_id) == ("work-1", "project-1", None)
    assert await repository.acquire_lease(Lease(job.id, "another run/1"), seconds=60) is None


async def test_a_callback_does_not_wait_for_a_run_that_is_parking(repository: JobRepository, lease: Lease) -> None:
    submission = await only_submission(repository, lease)
    await repository.park(lease, "nobody knows", unresolved=submission)
    assert await repository.record_callback(submission, "work-1") is not None
    assert await repository.acquire_lease(Lease(lease.job_id, "another run/1"), seconds=60) is None


async def test_a_repeated_callback_starts_the_same_run(repository: JobRepository, lease: Lease) -> None:
    """The run's idempotency key consists of the job's id and `updated_at`."""
    submission = await park_with_unknown_outcome(repository, lease)
    jobs = [await repository.record_callback(submission, "work-1") for _ in range(3)]
    assert len({job and job.updated_at for job in jobs}) == 1
    assert None not in jobs
    assert (await event_kinds(repository, lease)).count("callback_received") == 1


async def test_a_rejected_candidate_stays_parked_until_another_comes(repository: JobRepository, lease: Lease) -> None:
    submission = await park_with_unknown_outcome(repository, lease)
    await repository.record_callback(submission, "somebody else's")
    await repository.acquire_lease(lease, seconds=60)
    await repository.park(lease, "it is not ours", unresolved=await only_submission(repository, lease))
    await repository.release_lease(lease)
    assert await repository.record_callback(submission, "somebody else's") is None
    assert (await repository.get_job(lease.job_id)).parked_reason == "it is not ours"
    assert await repository.record_callback(submission, "ours") is not None


async def test_a_callback_during_a_run_starts_no_other_run(repository: JobRepository, lease: Lease) -> None:
    submission = await only_submission(repository, lease)
    assert await repository.record_callback(submission, "work-1") is None
    assert (await only_submission(repository, lease)).reported_vendor_id == "work-1"


async def test_a_callback_during_the_vendor_query_prevents_parking(repository: JobRepository, lease: Lease) -> None:
    asked_about = await only_submission(repository, lease)
    await repository.record_callback(asked_about, "work-1")
    with pytest.raises(RetryableError, match="just reported this submission's id"):
        await repository.park(lease, "nobody knows", unresolved=asked_about)
    assert (await repository.get_job(lease.job_id)).parked_reason is None


async def test_a_callback_prevents_resending_a_submission(repository: JobRepository, lease: Lease) -> None:
    submission = await only_submission(repository, lease)
    await repository.record_outcome(lease, submission, SubmissionState.WAITING, error="code 3006")
    await repository.record_callback(submission, "work-1")
    assert not (await repository.create_intent(lease, Stage.TEXT_REMOVAL, lambda _: b"{}", provider="ghostcut")).unsent


async def test_a_cancelled_job_stores_the_callback_and_starts_no_run(repository: JobRepository, lease: Lease) -> None:
    submission = await only_submission(repository, lease)
    await repository.cancel(lease.job_id, lease.flow_run_id, "stopped", actor="test")
    assert await repository.record_callback(submission, "work-1") is None
    assert (await repository.get_job(lease.job_id)).status == Status.CANCELLED
    assert (await only_submission(repository, lease)).reported_vendor_id == "work-1"


async def test_a_callback_for_an_accepted_submission_changes_nothing(repository: JobRepository, lease: Lease) -> None:
    submission = await only_submission(repository, lease)
    await repository.record_accepted(
        lease, submission, RecoveryPoint.TEXT_REMOVAL_SUBMITTED, vendor_id=lease.job_id, answer={}, metadata={}
    )
    await repository.release_lease(lease)
    before = await event_kinds(repository, lease)
    assert await repository.record_callback(submission, lease.job_id) is None
    assert await event_kinds(repository, lease) == before


async def test_a_callback_wakes_the_waiting_run(repository: JobRepository, lease: Lease) -> None:
    submission = await only_submission(repository, lease)
    await repository.record_accepted(
        lease, submission, RecoveryPoint.TEXT_REMOVAL_SUBMITTED, vendor_id="work-1", answer={}, metadata={}
    )
    woken = asyncio.Event()
    with repository.notifications.subscribe(lease.job_id, woken.set):
        await wait_until_listening(repository)
        woken.clear()
        assert await repository.record_callback(submission, "work-1") is None
        async with asyncio.timeout(5):
            await woken.wait()


async def park_as_overdue(repository: JobRepository, lease: Lease) -> Submission:
    """The vendor has the submission but was not done in time, and the job is parked."""
    submission = await only_submission(repository, lease)
    await repository.record_accepted(
        lease, submission, RecoveryPoint.TEXT_REMOVAL_SUBMITTED, vendor_id=lease.job_id, answer={}, metadata={}
    )
    await repository.park(lease, "not finished within 6 hours")
    await repository.release_lease(lease)
    return submission


async def test_a_callback_resumes_a_job_parked_as_overdue(repository: JobRepository, lease: Lease) -> None:
    submission = await park_as_overdue(repository, lease)
    assert await repository.record_callback(submission, "somebody else's") is None
    assert (await repository.get_job(lease.job_id)).parked_reason is not None
    jobs = [
        await repository.record_callback(submission, lease.job_id) for _ in range(2)
    ]  # the first attempts to start a run failed
    assert [job and job.parked_reason for job in jobs] == [None, None]
    assert len({job and job.updated_at for job in jobs}) == 1
    assert await repository.acquire_lease(Lease(lease.job_id, "another run/1"), seconds=60) is None
    assert await repository.record_callback(submission, lease.job_id) is None


async def test_a_retry_restarts_the_overdue_clock(repository: JobRepository, lease: Lease) -> None:
    submission = await park_as_overdue(repository, lease)
    before = await repository.submission_age_since_reopen(submission)
    await repository.acquire_lease(lease, seconds=60)
    await repository.reopen(lease, {"reason": "the vendor says that it goes on"})
    assert await repository.submission_age_since_reopen(submission) < before
    assert await repository.submission_age(submission) > before, "a key at the vendor grows no younger by it"
