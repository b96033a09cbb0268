"""The write operations of `JobRepository`, on a real Postgres."""

import asyncio
import time

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from tests.integration.db.conftest import CreateLeasedJob, make_request
from tests.support.measured_facts import video_facts
from videojobs.db import JobRepository, Lease, Submission, SubmissionState, get_engine
from videojobs.db.engine import driver_url
from videojobs.db.migrate import is_behind, upgrade
from videojobs.errors import (
    DatabaseUnavailable,
    FieldError,
    InvalidRequest,
    JobParked,
    JobRequestConflict,
    LeaseLost,
    OutcomeUnknown,
    ProblemCode,
    UnknownJob,
    VideoJobError,
)
from videojobs.pipeline.facts import JobFacts
from videojobs.states import RecoveryPoint, Stage, Status

PROVIDERS = {Stage.LIP_SYNC: "sync_so", Stage.TEXT_REMOVAL: "ghostcut"}


def make_body(submission: Submission) -> bytes:
    return f"key {submission.idempotency_key}".encode()


async def create_accepted(
    repository: JobRepository, lease: Lease, stage: Stage, next_point: RecoveryPoint, vendor_id: str
) -> Submission:
    """A submission that the vendor has accepted."""
    intent = await repository.create_intent(lease, stage, make_body, provider=PROVIDERS[stage])
    await repository.record_accepted(lease, intent.submission, next_point, vendor_id=vendor_id, answer={}, metadata={})
    return intent.submission


# ---- creation --------------------------------------------------------------------------------------------------


async def test_creating_a_job_twice_gives_one_job(repository: JobRepository, job_id: str) -> None:
    first = await repository.create(job_id, make_request(), actor="one")
    second = await repository.create(job_id, make_request(), actor="two")
    assert (first.id, second.status) == (job_id, Status.PENDING)
    assert [event.kind for event in await repository.list_events(job_id)] == ["opened"]


async def test_ten_runs_creating_one_job_make_one_row(repository: JobRepository, job_id: str) -> None:
    await asyncio.gather(*(repository.create(job_id, make_request(), actor=f"run {n}") for n in range(10)))
    assert [event.kind for event in await repository.list_events(job_id)] == ["opened"]


async def test_the_same_id_with_another_request_is_refused(repository: JobRepository, job_id: str) -> None:
    await repository.create(job_id, make_request(areas=0), actor="test")
    with pytest.raises(JobRequestConflict, match="another request"):
        await repository.create(job_id, make_request(areas=1), actor="test")


async def test_effects_are_a_json_array_and_segments_are_counted(repository: JobRepository, job_id: str) -> None:
    await repository.create(job_id, make_request(areas=2), actor="test")
    job = await repository.get_job(job_id)
    assert [area["kind"] for area in job.processing_config["effects"]] == ["erasure", "erasure"]
    assert job.segments_data["total_segments"] == 2


async def test_the_database_refuses_effects_that_are_a_string(
    repository: JobRepository, job_id: str, database_url: str
) -> None:
    await repository.create(job_id, make_request(), actor="test")
    statement = text(
        "UPDATE video_jobs SET processing_config = jsonb_build_object('effects', '[]'::text) WHERE id = :id"
    )
    with pytest.raises(DBAPIError, match="effects_array"):
        async with get_engine(database_url).begin() as connection:
            await connection.execute(statement, {"id": job_id})


async def test_a_refused_request_leaves_a_failed_job_with_its_reason(repository: JobRepository, job_id: str) -> None:
    await repository.create_rejected(job_id, user_id="ada", display_name=None, error="segments: missing", actor="test")
    job = await repository.get_job(job_id)
    assert (job.status, job.error_message) == (Status.FAILED, "segments: missing")


async def test_a_refused_request_leaves_an_existing_job_unchanged(repository: JobRepository, job_id: str) -> None:
    await repository.create(job_id, make_request(), actor="test")
    await repository.create_rejected(job_id, user_id="eve", display_name=None, error="bad", actor="test")
    job = await repository.get_job(job_id)
    assert (job.user_id, job.status) == ("ada", Status.PENDING)


async def test_a_job_that_was_never_created_is_unknown(repository: JobRepository) -> None:
    with pytest.raises(UnknownJob, match="nobody"):
        await repository.get_job("nobody")


# ---- the lease -------------------------------------------------------------------------------------------------


async def test_one_of_ten_runs_gets_the_lease_and_the_others_see_it(repository: JobRepository, job_id: str) -> None:
    await repository.create(job_id, make_request(), actor="test")
    answers = await asyncio.gather(*(repository.acquire_lease(Lease(job_id, f"run-{n}/1"), 60) for n in range(10)))
    winner = (await repository.get_job(job_id)).lease_holder
    assert answers.count(None) == 1
    assert {answer for answer in answers if answer is not None} == {winner}


async def test_leasing_a_pending_job_makes_it_processing(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    job = await repository.get_job(lease.job_id)
    assert (job.status, job.claims) == (Status.PROCESSING, 1)


async def test_an_expired_lease_fences_its_old_holder(repository: JobRepository, job_id: str) -> None:
    await repository.create(job_id, make_request(), actor="test")
    dead, alive = Lease(job_id, "dead/1"), Lease(job_id, "alive/1")
    assert await repository.acquire_lease(dead, seconds=0) is None
    assert await repository.acquire_lease(alive, seconds=60) is None
    assert await repository.renew_leases([dead], 60) == set()
    with pytest.raises(LeaseLost):
        await repository.advance(dead, RecoveryPoint.UPLOADED)
    with pytest.raises(LeaseLost):
        await repository.create_intent(dead, Stage.LIP_SYNC, make_body, provider="sync_so")
    await repository.release_lease(dead)
    assert (await repository.get_job(job_id)).lease_holder == "alive/1"


async def test_renewing_a_lease_does_not_count_as_progress(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    before = await repository.get_job(lease.job_id)
    assert await repository.renew_leases([lease], 600) == {lease.job_id}
    after = await repository.get_job(lease.job_id)
    assert before.lease_until is not None
    assert after.lease_until is not None
    assert after.lease_until > before.lease_until
    assert after.updated_at == before.updated_at


async def test_a_released_job_can_be_leased_by_another_run(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    await repository.release_lease(lease)
    assert await repository.acquire_lease(Lease(lease.job_id, "run-2/1"), 60) is None


# ---- recovery points -------------------------------------------------------------------------------------------


async def test_advancing_twice_records_one_event(repository: JobRepository, create_leased_job: CreateLeasedJob) -> None:
    lease = await create_leased_job()
    facts = JobFacts(video=video_facts())
    await repository.advance(lease, RecoveryPoint.UPLOADED, metadata={"video_s3_url": "s3://b/v"}, facts=facts)
    job = await repository.advance(lease, RecoveryPoint.UPLOADED, metadata={"video_s3_url": "s3://b/other"})
    assert (job.recovery_point, job.progress_percentage) == (RecoveryPoint.UPLOADED, 10)
    assert job.job_metadata == {"segments_count": 2, "video_s3_url": "s3://b/v"}
    assert job.facts == facts
    assert [event.kind for event in await repository.list_events(job.id)].count("advanced") == 1


async def test_skipping_a_recovery_point_is_refused(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    with pytest.raises(VideoJobError, match="opened to lip_sync_stored"):
        await repository.advance(lease, RecoveryPoint.LIP_SYNC_STORED)


async def test_progress_never_falls_and_repeats_record_no_event(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    await repository.update_progress(lease, 7, "Uploading files...")
    await repository.update_progress(lease, 7, "Uploading files...")
    job = await repository.update_progress(lease, 3, "Uploading files...")
    assert job.progress_percentage == 7
    assert [event.progress for event in await repository.list_events(job.id)] == [0, 0, 7]


async def test_a_failed_job_keeps_its_point_reason_and_fallback(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    job = await repository.fail(lease, "Text inpainting failed: no points", fallback_url="s3://b/lip-sync")
    assert (job.status, job.recovery_point, job.output_url) == (
        Status.FAILED,
        RecoveryPoint.UPLOADED,
        "s3://b/lip-sync",
    )
    assert job.error_message == "Text inpainting failed: no points"
    assert job.completed_at is not None


async def test_a_parked_job_stays_processing_and_shows_its_reason(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    job = await repository.park(lease, "who knows")
    assert (job.status, job.progress_message) == (Status.PROCESSING, "Parked for an operator: who knows")
    with pytest.raises(JobParked, match="who knows"):
        await repository.create_intent(lease, Stage.LIP_SYNC, make_body, provider="sync_so")


async def test_an_error_code_stays_until_the_job_runs_again(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    error = InvalidRequest([FieldError("video", "has no picture", ProblemCode.UNREADABLE_FILE)])
    job = await repository.fail(lease, str(error), code=error.code, problems=error.errors)
    assert (job.error_message, job.error_code) == (
        "The request has 1 problem: video: has no picture",
        "invalid_request",
    )
    assert job.error_problems == [{"path": "video", "message": "has no picture", "code": "unreadable_file"}]
    job = await repository.reopen(lease, {"reason": "a test"})
    assert (job.error_message, job.error_code, job.error_problems) == (None, None, None)


async def test_a_reopened_job_has_no_problems_for_queries_either(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    """JSON's null is not SQL's NULL."""
    lease = await create_leased_job()
    await repository.fail(lease, "the request has 1 problem", problems=[FieldError("video", "has no picture")])
    await repository.reopen(lease, {"reason": "a test"})
    query = "SELECT count(*) FROM video_jobs WHERE id = :id AND error_problems IS NULL"
    async with get_engine(repository.database_url).connect() as connection:
        assert await connection.scalar(text(query), {"id": lease.job_id}) == 1


async def test_a_parked_job_keeps_the_code_of_its_reason(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    job = await repository.park(lease, "who knows", code=OutcomeUnknown.code)
    assert (job.parked_reason, job.error_code) == ("who knows", "outcome_unknown")


async def test_job_events_are_append_only(
    repository: JobRepository, create_leased_job: CreateLeasedJob, database_url: str
) -> None:
    lease = await create_leased_job()
    with pytest.raises(DBAPIError, match="append-only"):
        async with get_engine(database_url).begin() as connection:
            await connection.execute(
                text("UPDATE video_job_events SET message = 'nothing' WHERE job_id = :id"), {"id": lease.job_id}
            )


# ---- paid calls ------------------------------------------------------------------------------------------------


async def test_an_intent_is_committed_with_its_bytes_before_sending(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    intent = await repository.create_intent(lease, Stage.LIP_SYNC, make_body, provider="sync_so")
    [stored] = await repository.list_submissions(lease.job_id)
    assert intent.unsent
    assert stored.state == SubmissionState.INTENDED
    assert stored.request_body == f"key {stored.idempotency_key}".encode()


async def test_an_existing_intent_is_returned_with_an_unknown_outcome(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    first = await repository.create_intent(lease, Stage.LIP_SYNC, make_body, provider="sync_so")
    again = await repository.create_intent(lease, Stage.LIP_SYNC, lambda _: b"other bytes", provider="sync_so")
    assert again.submission.id == first.submission.id
    assert again.submission.request_body == first.submission.request_body
    assert not again.unsent


async def test_a_waiting_submission_is_resent_with_the_same_key(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    first = await repository.create_intent(lease, Stage.LIP_SYNC, make_body, provider="sync_so")
    await repository.record_outcome(lease, first.submission, SubmissionState.WAITING, error="429")
    again = await repository.create_intent(lease, Stage.LIP_SYNC, make_body, provider="sync_so")
    assert again.unsent
    assert again.submission.idempotency_key == first.submission.idempotency_key


async def test_the_database_refuses_a_second_live_submission(
    repository: JobRepository, create_leased_job: CreateLeasedJob, database_url: str
) -> None:
    lease = await create_leased_job()
    await repository.create_intent(lease, Stage.TEXT_REMOVAL, make_body, provider="ghostcut")
    copy = text(
        "INSERT INTO video_submissions (id, job_id, stage, provider, attempt, state, request_body, callback_token) "
        "SELECT gen_random_uuid(), job_id, stage, provider, 2, 'intended', request_body, 'another' "
        "FROM video_submissions WHERE job_id = :id"
    )
    with pytest.raises(DBAPIError, match="uq_video_submissions_live"):
        async with get_engine(database_url).begin() as connection:
            await connection.execute(copy, {"id": lease.job_id})


@pytest.mark.parametrize("ended", [SubmissionState.REFUSED, SubmissionState.FAILED])
async def test_a_new_submission_may_follow_one_without_a_result(
    repository: JobRepository, create_leased_job: CreateLeasedJob, ended: SubmissionState
) -> None:
    lease = await create_leased_job()
    first = await repository.create_intent(lease, Stage.LIP_SYNC, make_body, provider="sync_so")
    await repository.record_outcome(lease, first.submission, ended, error="no")
    second = await repository.create_intent(lease, Stage.LIP_SYNC, make_body, provider="sync_so")
    assert second.unsent
    assert (first.submission.attempt, second.submission.attempt) == (1, 2)
    assert first.submission.idempotency_key != second.submission.idempotency_key


async def test_one_commit_records_acceptance_and_advances_the_job(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    intent = await repository.create_intent(lease, Stage.LIP_SYNC, make_body, provider="sync_so")
    job = await repository.record_accepted(
        lease,
        intent.submission,
        RecoveryPoint.LIP_SYNC_SUBMITTED,
        vendor_id="gen-" + lease.job_id,
        answer={"status": "PENDING"},
        metadata={"sync_generation_id": "gen-1"},
        job_columns={"zhaoli_task_id": "gen-" + lease.job_id},
    )
    assert (job.recovery_point, job.zhaoli_task_id) == (RecoveryPoint.LIP_SYNC_SUBMITTED, "gen-" + lease.job_id)
    assert job.job_metadata["sync_generation_id"] == "gen-1"
    live = await repository.get_live_submission(job.id, Stage.LIP_SYNC)
    assert live is not None
    assert (live.state, live.vendor_answer) == (SubmissionState.ACCEPTED, {"status": "PENDING"})
    assert (await repository.submission_age(live)).total_seconds() >= 0


async def test_an_acceptance_is_recorded_after_the_lease_was_lost(repository: JobRepository, job_id: str) -> None:
    await repository.create(job_id, make_request(), actor="test")
    slow, other = Lease(job_id, "slow/1"), Lease(job_id, "other/1")
    await repository.acquire_lease(slow, seconds=60)
    await repository.advance(slow, RecoveryPoint.UPLOADED)
    intent = await repository.create_intent(slow, Stage.LIP_SYNC, make_body, provider="sync_so")
    await repository.acquire_lease(slow, seconds=0)
    await repository.acquire_lease(other, seconds=60)
    vendor_id = f"gen-{job_id}"
    await repository.record_accepted(
        slow, intent.submission, RecoveryPoint.LIP_SYNC_SUBMITTED, vendor_id=vendor_id, answer={}, metadata={}
    )
    assert [row.vendor_id for row in await repository.list_submissions(job_id)] == [vendor_id]


async def test_the_first_acceptance_wins(repository: JobRepository, create_leased_job: CreateLeasedJob) -> None:
    lease = await create_leased_job()
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    submission = await create_accepted(
        repository, lease, Stage.LIP_SYNC, RecoveryPoint.LIP_SYNC_SUBMITTED, f"first-{lease.job_id}"
    )
    await repository.record_accepted(
        lease, submission, RecoveryPoint.LIP_SYNC_SUBMITTED, vendor_id=f"late-{lease.job_id}", answer={}, metadata={}
    )
    assert [row.vendor_id for row in await repository.list_submissions(lease.job_id)] == [f"first-{lease.job_id}"]


async def test_an_accepted_submission_cannot_become_refused_or_unknown(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    submission = await create_accepted(
        repository, lease, Stage.LIP_SYNC, RecoveryPoint.LIP_SYNC_SUBMITTED, f"gen-{lease.job_id}"
    )
    for late in (SubmissionState.REFUSED, SubmissionState.UNKNOWN, SubmissionState.WAITING):
        await repository.record_outcome(lease, submission, late, error="too late")
    [row] = await repository.list_submissions(lease.job_id)
    assert row.state == SubmissionState.ACCEPTED


async def test_a_whole_job_records_every_step_with_rising_progress(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job()
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    generation = await create_accepted(
        repository, lease, Stage.LIP_SYNC, RecoveryPoint.LIP_SYNC_SUBMITTED, f"g-{lease.job_id}"
    )
    await repository.record_outcome(lease, generation, SubmissionState.DONE)
    await repository.advance(lease, RecoveryPoint.LIP_SYNC_STORED)
    work = await create_accepted(
        repository, lease, Stage.TEXT_REMOVAL, RecoveryPoint.TEXT_REMOVAL_SUBMITTED, f"w-{lease.job_id}"
    )
    await repository.record_outcome(lease, work, SubmissionState.DONE)
    await repository.advance(lease, RecoveryPoint.TEXT_REMOVAL_STORED)
    job = await repository.complete(lease, "s3://b/final")
    await repository.complete(lease, "s3://b/again")
    assert (job.status, job.progress_percentage, job.output_url) == (Status.COMPLETED, 100, "s3://b/final")
    assert job.progress_message == "Pro video processing completed (lip-sync + text inpainting)"
    events = await repository.list_events(lease.job_id)
    progress = [event.progress for event in events]
    assert progress == sorted(progress)
    assert [event.kind for event in events].count("completed") == 1


async def test_a_job_without_text_removal_says_so_when_it_is_done(
    repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    lease = await create_leased_job(areas=0)
    await repository.advance(lease, RecoveryPoint.UPLOADED)
    await create_accepted(repository, lease, Stage.LIP_SYNC, RecoveryPoint.LIP_SYNC_SUBMITTED, f"g-{lease.job_id}")
    await repository.advance(lease, RecoveryPoint.LIP_SYNC_STORED)
    job = await repository.complete(lease, "s3://b/final")
    assert job.progress_message == "Pro video processing completed (lip-sync only)"


# ---- the database ----------------------------------------------------------------------------------------------


async def test_a_database_outage_is_retryable_and_hides_the_password() -> None:
    repository = JobRepository(get_engine("postgresql://someone:hush-hush@127.0.0.1:1/nothing"))
    with pytest.raises(DatabaseUnavailable) as caught:
        await repository.get_job("any")
    assert "hush" not in str(caught.value)


async def test_an_exhausted_connection_pool_is_retryable(database_url: str) -> None:
    engine = create_async_engine(driver_url(database_url), pool_size=1, max_overflow=0, pool_timeout=0.01)
    async with engine.connect():
        with pytest.raises(DatabaseUnavailable, match="no free connection"):
            await JobRepository(engine).get_job("any")
    await engine.dispose()


async def test_a_stalled_transaction_is_ended_and_retryable(
    database_url: str, repository: JobRepository, create_leased_job: CreateLeasedJob
) -> None:
    """Postgres has closed its connection by then, so that others can lock the job."""
    lease = await create_leased_job()
    engine = create_async_engine(
        driver_url(database_url), connect_args={"options": "-c idle_in_transaction_session_timeout=20"}
    )

    def stall(submission: Submission) -> bytes:
        time.sleep(0.5)
        return make_body(submission)

    with pytest.raises(DatabaseUnavailable):
        await JobRepository(engine).create_intent(lease, Stage.LIP_SYNC, stall, provider="sync_so")
    await engine.dispose()
    assert (await repository.create_intent(lease, Stage.LIP_SYNC, make_body, provider="sync_so")).unsent


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    await asyncio.to_thread(upgrade, database_url)
    engine = create_engine(driver_url(database_url))
    with engine.connect() as connection:
        assert not is_behind(connection)
    engine.dispose()


# ---- text removal only -------------------------------------------------------------------------------------------


async def test_text_removal_alone_goes_from_the_source_to_the_end(repository: JobRepository, job_id: str) -> None:
    request = make_request(areas=1).model_copy(update={"audio": [], "segments": [], "text_removal": "areas"})
    await repository.create(job_id, request, actor="test")
    lease = Lease(job_id, "run-1/1")
    await repository.acquire_lease(lease, seconds=60)
    job = await repository.advance(lease, RecoveryPoint.UPLOADED)
    assert job.progress_message == "Starting text inpainting..."
    assert job.processing_config["text_removal"] == "areas"
    point = RecoveryPoint.TEXT_REMOVAL_SUBMITTED
    first = await create_accepted(repository, lease, Stage.TEXT_REMOVAL, point, f"work-1-{job_id}")
    await repository.record_outcome(lease, first, SubmissionState.FAILED, error="status 20")
    await repository.fail(lease, "Text inpainting failed: status 20")
    job = await repository.reopen(lease, {"reason": "a test"})
    assert (job.recovery_point, job.progress_message) == (RecoveryPoint.UPLOADED, "Starting text inpainting...")
    await create_accepted(repository, lease, Stage.TEXT_REMOVAL, point, f"work-2-{job_id}")
    await repository.advance(lease, RecoveryPoint.TEXT_REMOVAL_STORED)
    job = await repository.complete(lease, "s3://bucket/result.mp4")
    assert (job.status, job.progress_message) == (Status.COMPLETED, "Pro video processing completed (text inpainting)")
