"""What a vendor's callback changes on the books, for each way in which a submission can stand when it comes."""

import asyncio

import pytest

from tests.ledger.conftest import Opened
from tests.ledger.test_bell import up
from videojobs.errors import Retryable
from videojobs.ledger import Lease, Ledger, Submission, SubmissionState
from videojobs.states import Point, Stage, Status


@pytest.fixture
async def lease(ledger: Ledger, opened: Opened) -> Lease:
    """A run that has just sent the text removal."""
    lease = await opened()
    for point in (Point.UPLOADED, Point.LIP_SYNC_SUBMITTED, Point.LIP_SYNC_STORED):
        await ledger.advance(lease, point)
    await ledger.intend(lease, Stage.TEXT_REMOVAL, lambda _: b"{}")
    return lease


async def sent(ledger: Ledger, lease: Lease) -> Submission:
    [submission] = await ledger.submissions(lease.job_id)
    return submission


async def lost(ledger: Ledger, lease: Lease) -> Submission:
    """Its answer is lost, and the job is parked."""
    submission = await sent(ledger, lease)
    await ledger.settle(lease, submission, SubmissionState.UNKNOWN)
    await ledger.park(lease, "nobody knows", doubt=submission)
    await ledger.release(lease)
    return submission


async def kinds(ledger: Ledger, lease: Lease) -> list[str]:
    return [event.kind for event in await ledger.events(lease.job_id)]


async def test_a_submission_is_found_by_its_own_address_in_its_own_stage_only(ledger: Ledger, lease: Lease) -> None:
    submission = await sent(ledger, lease)
    found = await ledger.called_back(submission.callback_token, Stage.TEXT_REMOVAL)
    assert found is not None
    assert found.id == submission.id
    assert await ledger.called_back(submission.callback_token, Stage.LIP_SYNC) is None
    assert await ledger.called_back(submission.callback_token[:-1], Stage.TEXT_REMOVAL) is None


async def test_a_parked_doubt_that_is_named_a_work_needs_a_run_that_may_begin_at_once(
    ledger: Ledger, lease: Lease
) -> None:
    submission = await lost(ledger, lease)
    job = await ledger.hear(submission, "work-1", batch_id="project-1")
    assert job is not None
    assert (job.parked_reason, job.progress_message) == (None, "Lip-sync completed")
    known = await sent(ledger, lease)
    assert (known.candidate_id, known.vendor_batch_id, known.vendor_id) == ("work-1", "project-1", None)
    assert await ledger.claim(Lease(job.id, "another run/1"), seconds=60) is None


async def test_a_run_that_parks_in_this_moment_holds_up_nobody(ledger: Ledger, lease: Lease) -> None:
    submission = await sent(ledger, lease)
    await ledger.park(lease, "nobody knows", doubt=submission)
    assert await ledger.hear(submission, "work-1") is not None
    assert await ledger.claim(Lease(lease.job_id, "another run/1"), seconds=60) is None


async def test_the_same_callback_again_asks_for_the_same_run(ledger: Ledger, lease: Lease) -> None:
    """The run's idempotency key is made of the job's id and `updated_at`."""
    submission = await lost(ledger, lease)
    jobs = [await ledger.hear(submission, "work-1") for _ in range(3)]
    assert len({job and job.updated_at for job in jobs}) == 1
    assert None not in jobs
    assert (await kinds(ledger, lease)).count("heard_of") == 1


async def test_a_doubt_that_the_named_work_did_not_settle_stays_parked_until_another_work_is_named(
    ledger: Ledger, lease: Lease
) -> None:
    submission = await lost(ledger, lease)
    await ledger.hear(submission, "somebody else's")
    await ledger.claim(lease, seconds=60)
    await ledger.park(lease, "it is not ours", doubt=await sent(ledger, lease))
    await ledger.release(lease)
    assert await ledger.hear(submission, "somebody else's") is None
    assert (await ledger.job(lease.job_id)).parked_reason == "it is not ours"
    assert await ledger.hear(submission, "ours") is not None


async def test_a_run_at_work_finds_the_note_and_needs_no_other_run(ledger: Ledger, lease: Lease) -> None:
    submission = await sent(ledger, lease)
    assert await ledger.hear(submission, "work-1") is None
    assert (await sent(ledger, lease)).candidate_id == "work-1"


async def test_a_job_is_not_parked_over_a_callback_that_came_while_the_vendor_was_asked(
    ledger: Ledger, lease: Lease
) -> None:
    asked_about = await sent(ledger, lease)
    await ledger.hear(asked_about, "work-1")
    with pytest.raises(Retryable, match="just named the work"):
        await ledger.park(lease, "nobody knows", doubt=asked_about)
    assert (await ledger.job(lease.job_id)).parked_reason is None


async def test_what_was_thought_not_to_be_taken_is_not_sent_again_once_a_callback_names_it(
    ledger: Ledger, lease: Lease
) -> None:
    submission = await sent(ledger, lease)
    await ledger.settle(lease, submission, SubmissionState.WAITING, error="code 3006")
    await ledger.hear(submission, "work-1")
    assert not (await ledger.intend(lease, Stage.TEXT_REMOVAL, lambda _: b"{}")).fresh


async def test_a_cancelled_job_keeps_the_note_for_a_later_run_and_starts_none(ledger: Ledger, lease: Lease) -> None:
    submission = await sent(ledger, lease)
    await ledger.cancel(lease.job_id, lease.run_id, "stopped", actor="test")
    assert await ledger.hear(submission, "work-1") is None
    assert (await ledger.job(lease.job_id)).status == Status.CANCELLED
    assert (await sent(ledger, lease)).candidate_id == "work-1"


async def test_what_is_accepted_already_is_not_news(ledger: Ledger, lease: Lease) -> None:
    submission = await sent(ledger, lease)
    await ledger.accept(lease, submission, Point.TEXT_REMOVAL_SUBMITTED, vendor_id=lease.job_id, answer={}, metadata={})
    await ledger.release(lease)
    before = await kinds(ledger, lease)
    assert await ledger.hear(submission, lease.job_id) is None
    assert await kinds(ledger, lease) == before


async def test_a_callback_wakes_the_run_that_waits_for_the_work(ledger: Ledger, lease: Lease) -> None:
    submission = await sent(ledger, lease)
    await ledger.accept(lease, submission, Point.TEXT_REMOVAL_SUBMITTED, vendor_id="work-1", answer={}, metadata={})
    woken = asyncio.Event()
    with ledger.bell.heard_by(lease.job_id, woken.set):
        await up(ledger)
        woken.clear()
        assert await ledger.hear(submission, "work-1") is None
        async with asyncio.timeout(5):
            await woken.wait()


async def overdue(ledger: Ledger, lease: Lease) -> Submission:
    """The vendor has it, was not done in time, and the job is parked."""
    submission = await sent(ledger, lease)
    await ledger.accept(lease, submission, Point.TEXT_REMOVAL_SUBMITTED, vendor_id=lease.job_id, answer={}, metadata={})
    await ledger.park(lease, "not finished within 6 hours")
    await ledger.release(lease)
    return submission


async def test_a_job_parked_at_a_slow_vendor_is_taken_up_when_its_own_work_is_called_back(
    ledger: Ledger, lease: Lease
) -> None:
    submission = await overdue(ledger, lease)
    assert await ledger.hear(submission, "somebody else's") is None
    assert (await ledger.job(lease.job_id)).parked_reason is not None
    jobs = [await ledger.hear(submission, lease.job_id) for _ in range(2)]  # no run could be started at first
    assert [job and job.parked_reason for job in jobs] == [None, None]
    assert len({job and job.updated_at for job in jobs}) == 1
    assert await ledger.claim(Lease(lease.job_id, "another run/1"), seconds=60) is None
    assert await ledger.hear(submission, lease.job_id) is None


async def test_an_operator_who_says_retry_lets_a_slow_vendor_have_its_time_anew(ledger: Ledger, lease: Lease) -> None:
    submission = await overdue(ledger, lease)
    before = await ledger.watched_for(submission)
    await ledger.claim(lease, seconds=60)
    await ledger.reopen(lease, {"reason": "the vendor says that it goes on"})
    assert await ledger.watched_for(submission) < before
    assert await ledger.waited_for(submission) > before, "a key at the vendor grows no younger by it"
