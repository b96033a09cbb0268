"""The verbs of the ledger, on a real Postgres."""

import asyncio
import time

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from tests.ledger.conftest import Opened, a_request
from videojobs.errors import JobParked, LeaseLost, LedgerUnavailable, RequestMismatch, VideoJobError
from videojobs.ledger import Lease, Ledger, Submission, SubmissionState, UnknownJob, engine_for
from videojobs.ledger.connection import driver_url
from videojobs.ledger.migrate import missing, upgrade
from videojobs.states import Point, Stage, Status


def a_body(submission: Submission) -> bytes:
    return f"key {submission.idempotency_key}".encode()


async def taken(ledger: Ledger, lease: Lease, stage: Stage, to: Point, vendor_id: str) -> Submission:
    """A submission that the vendor has accepted."""
    intent = await ledger.intend(lease, stage, a_body)
    await ledger.accept(lease, intent.submission, to, vendor_id=vendor_id, answer={}, metadata={})
    return intent.submission


# ---- opening ---------------------------------------------------------------------------------------------------


async def test_opening_a_job_twice_with_the_same_request_gives_one_job(ledger: Ledger, job_id: str) -> None:
    first = await ledger.open(job_id, a_request(), actor="one")
    second = await ledger.open(job_id, a_request(), actor="two")
    assert (first.id, second.status) == (job_id, Status.PENDING)
    assert [event.kind for event in await ledger.events(job_id)] == ["opened"]


async def test_ten_runs_that_open_one_job_at_once_make_one_row(ledger: Ledger, job_id: str) -> None:
    await asyncio.gather(*(ledger.open(job_id, a_request(), actor=f"run {n}") for n in range(10)))
    assert [event.kind for event in await ledger.events(job_id)] == ["opened"]


async def test_the_same_id_with_another_request_is_refused(ledger: Ledger, job_id: str) -> None:
    await ledger.open(job_id, a_request(areas=0), actor="test")
    with pytest.raises(RequestMismatch, match="another request"):
        await ledger.open(job_id, a_request(areas=1), actor="test")


async def test_effects_are_stored_as_a_json_array_and_the_segments_are_counted(ledger: Ledger, job_id: str) -> None:
    await ledger.open(job_id, a_request(areas=2), actor="test")
    job = await ledger.job(job_id)
    assert [area["kind"] for area in job.processing_config["effects"]] == ["erasure", "erasure"]
    assert job.segments_data["total_segments"] == 2


async def test_the_database_refuses_effects_that_are_a_string(ledger: Ledger, job_id: str, database_url: str) -> None:
    await ledger.open(job_id, a_request(), actor="test")
    statement = text(
        "UPDATE video_jobs SET processing_config = jsonb_build_object('effects', '[]'::text) WHERE id = :id"
    )
    with pytest.raises(DBAPIError, match="effects_array"):
        async with engine_for(database_url).begin() as connection:
            await connection.execute(statement, {"id": job_id})


async def test_a_refused_request_leaves_a_failed_job_with_its_reason(ledger: Ledger, job_id: str) -> None:
    await ledger.open_refused(job_id, user_id="ada", display_name=None, error="segments: missing", actor="test")
    job = await ledger.job(job_id)
    assert (job.status, job.error_message) == (Status.FAILED, "segments: missing")


async def test_a_refused_request_does_not_touch_a_job_that_is_known(ledger: Ledger, job_id: str) -> None:
    await ledger.open(job_id, a_request(), actor="test")
    await ledger.open_refused(job_id, user_id="eve", display_name=None, error="bad", actor="test")
    job = await ledger.job(job_id)
    assert (job.user_id, job.status) == ("ada", Status.PENDING)


async def test_a_job_that_nobody_opened_is_unknown(ledger: Ledger) -> None:
    with pytest.raises(UnknownJob, match="nobody"):
        await ledger.job("nobody")


# ---- the lease -------------------------------------------------------------------------------------------------


async def test_of_ten_runs_that_claim_a_job_at_once_one_gets_it_and_the_others_learn_who(
    ledger: Ledger, job_id: str
) -> None:
    await ledger.open(job_id, a_request(), actor="test")
    answers = await asyncio.gather(*(ledger.claim(Lease(job_id, f"run-{n}/1"), 60) for n in range(10)))
    winner = (await ledger.job(job_id)).lease_holder
    assert answers.count(None) == 1
    assert {answer for answer in answers if answer is not None} == {winner}


async def test_claiming_a_pending_job_makes_it_processing(ledger: Ledger, opened: Opened) -> None:
    lease = await opened()
    job = await ledger.job(lease.job_id)
    assert (job.status, job.claims) == (Status.PROCESSING, 1)


async def test_a_lease_that_has_run_out_can_be_taken_and_its_old_holder_can_do_nothing_more(
    ledger: Ledger, job_id: str
) -> None:
    await ledger.open(job_id, a_request(), actor="test")
    dead, alive = Lease(job_id, "dead/1"), Lease(job_id, "alive/1")
    assert await ledger.claim(dead, seconds=0) is None
    assert await ledger.claim(alive, seconds=60) is None
    assert await ledger.renew([dead], 60) == set()
    with pytest.raises(LeaseLost):
        await ledger.advance(dead, Point.UPLOADED)
    with pytest.raises(LeaseLost):
        await ledger.intend(dead, Stage.LIP_SYNC, a_body)
    await ledger.release(dead)
    assert (await ledger.job(job_id)).lease_holder == "alive/1"


async def test_renewing_keeps_a_lease_alive_without_looking_like_progress(ledger: Ledger, opened: Opened) -> None:
    lease = await opened()
    before = await ledger.job(lease.job_id)
    assert await ledger.renew([lease], 600) == {lease.job_id}
    after = await ledger.job(lease.job_id)
    assert before.lease_until is not None
    assert after.lease_until is not None
    assert after.lease_until > before.lease_until
    assert after.updated_at == before.updated_at


async def test_a_released_job_can_be_claimed_by_another_run(ledger: Ledger, opened: Opened) -> None:
    lease = await opened()
    await ledger.release(lease)
    assert await ledger.claim(Lease(lease.job_id, "run-2/1"), 60) is None


# ---- moving ----------------------------------------------------------------------------------------------------


async def test_advancing_twice_is_one_step_and_one_event(ledger: Ledger, opened: Opened) -> None:
    lease = await opened()
    await ledger.advance(lease, Point.UPLOADED, metadata={"video_s3_url": "s3://b/v"}, facts={"video": {"frames": 1}})
    job = await ledger.advance(lease, Point.UPLOADED, metadata={"video_s3_url": "s3://b/other"})
    assert (job.point, job.progress_percentage) == (Point.UPLOADED, 10)
    assert job.job_metadata == {"segments_count": 2, "video_s3_url": "s3://b/v"}
    assert job.facts == {"video": {"frames": 1}}
    assert [event.kind for event in await ledger.events(job.id)].count("advanced") == 1


async def test_a_step_that_leaves_out_a_recovery_point_is_refused(ledger: Ledger, opened: Opened) -> None:
    lease = await opened()
    with pytest.raises(VideoJobError, match="opened to lip_sync_stored"):
        await ledger.advance(lease, Point.LIP_SYNC_STORED)


async def test_progress_never_falls_and_the_same_news_is_one_event(ledger: Ledger, opened: Opened) -> None:
    lease = await opened()
    await ledger.tell(lease, 7, "Uploading files...")
    await ledger.tell(lease, 7, "Uploading files...")
    job = await ledger.tell(lease, 3, "Uploading files...")
    assert job.progress_percentage == 7
    assert [event.progress for event in await ledger.events(job.id)] == [0, 0, 7]


async def test_a_failed_job_keeps_its_recovery_point_its_reason_and_its_fallback(
    ledger: Ledger, opened: Opened
) -> None:
    lease = await opened()
    await ledger.advance(lease, Point.UPLOADED)
    job = await ledger.fail(lease, "Text inpainting failed: no points", fallback_url="s3://b/lip-sync")
    assert (job.status, job.point, job.output_url) == (Status.FAILED, Point.UPLOADED, "s3://b/lip-sync")
    assert job.error_message == "Text inpainting failed: no points"
    assert job.completed_at is not None


async def test_a_parked_job_stays_processing_with_the_reason_as_its_message(ledger: Ledger, opened: Opened) -> None:
    lease = await opened()
    job = await ledger.park(lease, "who knows")
    assert (job.status, job.progress_message) == (Status.PROCESSING, "Parked for an operator: who knows")
    with pytest.raises(JobParked, match="who knows"):
        await ledger.intend(lease, Stage.LIP_SYNC, a_body)


async def test_the_events_of_a_job_cannot_be_rewritten(ledger: Ledger, opened: Opened, database_url: str) -> None:
    lease = await opened()
    with pytest.raises(DBAPIError, match="append-only"):
        async with engine_for(database_url).begin() as connection:
            await connection.execute(
                text("UPDATE video_job_events SET message = 'nothing' WHERE job_id = :id"), {"id": lease.job_id}
            )


# ---- paid calls ------------------------------------------------------------------------------------------------


async def test_an_intent_is_on_the_books_with_its_key_and_bytes_before_anything_is_sent(
    ledger: Ledger, opened: Opened
) -> None:
    lease = await opened()
    intent = await ledger.intend(lease, Stage.LIP_SYNC, a_body)
    [stored] = await ledger.submissions(lease.job_id)
    assert intent.fresh
    assert stored.state == SubmissionState.INTENDED
    assert stored.request_body == f"key {stored.idempotency_key}".encode()


async def test_an_intent_that_is_found_again_is_the_same_one_and_in_doubt(ledger: Ledger, opened: Opened) -> None:
    lease = await opened()
    first = await ledger.intend(lease, Stage.LIP_SYNC, a_body)
    again = await ledger.intend(lease, Stage.LIP_SYNC, lambda _: b"other bytes")
    assert again.submission.id == first.submission.id
    assert again.submission.request_body == first.submission.request_body
    assert not again.fresh


async def test_a_submission_that_had_to_wait_is_sent_again_as_a_fresh_one_with_the_same_key(
    ledger: Ledger, opened: Opened
) -> None:
    lease = await opened()
    first = await ledger.intend(lease, Stage.LIP_SYNC, a_body)
    await ledger.settle(lease, first.submission, SubmissionState.WAITING, error="429")
    again = await ledger.intend(lease, Stage.LIP_SYNC, a_body)
    assert again.fresh
    assert again.submission.idempotency_key == first.submission.idempotency_key


async def test_the_database_itself_refuses_a_second_live_submission_of_a_stage(
    ledger: Ledger, opened: Opened, database_url: str
) -> None:
    lease = await opened()
    await ledger.intend(lease, Stage.TEXT_REMOVAL, a_body)
    copy = text(
        "INSERT INTO video_submissions (id, job_id, stage, attempt, state, request_body, callback_token) "
        "SELECT gen_random_uuid(), job_id, stage, 2, 'intended', request_body, 'another' "
        "FROM video_submissions WHERE job_id = :id"
    )
    with pytest.raises(DBAPIError, match="uq_video_submissions_live"):
        async with engine_for(database_url).begin() as connection:
            await connection.execute(copy, {"id": lease.job_id})


@pytest.mark.parametrize("ended", [SubmissionState.REFUSED, SubmissionState.FAILED])
async def test_after_a_submission_has_ended_without_a_result_another_one_may_follow(
    ledger: Ledger, opened: Opened, ended: SubmissionState
) -> None:
    lease = await opened()
    first = await ledger.intend(lease, Stage.LIP_SYNC, a_body)
    await ledger.settle(lease, first.submission, ended, error="no")
    second = await ledger.intend(lease, Stage.LIP_SYNC, a_body)
    assert second.fresh
    assert (first.submission.attempt, second.submission.attempt) == (1, 2)
    assert first.submission.idempotency_key != second.submission.idempotency_key


async def test_an_acceptance_records_the_vendors_id_and_moves_the_job_in_one_commit(
    ledger: Ledger, opened: Opened
) -> None:
    lease = await opened()
    await ledger.advance(lease, Point.UPLOADED)
    intent = await ledger.intend(lease, Stage.LIP_SYNC, a_body)
    job = await ledger.accept(
        lease,
        intent.submission,
        Point.LIP_SYNC_SUBMITTED,
        vendor_id="gen-" + lease.job_id,
        answer={"status": "PENDING"},
        metadata={"sync_generation_id": "gen-1"},
    )
    assert (job.point, job.zhaoli_task_id) == (Point.LIP_SYNC_SUBMITTED, "gen-" + lease.job_id)
    assert job.job_metadata["sync_generation_id"] == "gen-1"
    live = await ledger.live_submission(job.id, Stage.LIP_SYNC)
    assert live is not None
    assert (live.state, live.vendor_answer) == (SubmissionState.ACCEPTED, {"status": "PENDING"})
    assert (await ledger.waited_for(live)).total_seconds() >= 0


async def test_an_acceptance_is_recorded_even_when_the_lease_was_lost_meanwhile(ledger: Ledger, job_id: str) -> None:
    await ledger.open(job_id, a_request(), actor="test")
    slow, other = Lease(job_id, "slow/1"), Lease(job_id, "other/1")
    await ledger.claim(slow, seconds=60)
    await ledger.advance(slow, Point.UPLOADED)
    intent = await ledger.intend(slow, Stage.LIP_SYNC, a_body)
    await ledger.claim(slow, seconds=0)
    await ledger.claim(other, seconds=60)
    vendor_id = f"gen-{job_id}"
    await ledger.accept(slow, intent.submission, Point.LIP_SYNC_SUBMITTED, vendor_id=vendor_id, answer={}, metadata={})
    assert (await ledger.job(job_id)).zhaoli_task_id == vendor_id


async def test_the_first_acceptance_wins(ledger: Ledger, opened: Opened) -> None:
    lease = await opened()
    await ledger.advance(lease, Point.UPLOADED)
    submission = await taken(ledger, lease, Stage.LIP_SYNC, Point.LIP_SYNC_SUBMITTED, f"first-{lease.job_id}")
    await ledger.accept(
        lease, submission, Point.LIP_SYNC_SUBMITTED, vendor_id=f"late-{lease.job_id}", answer={}, metadata={}
    )
    assert (await ledger.job(lease.job_id)).zhaoli_task_id == f"first-{lease.job_id}"


async def test_what_was_accepted_can_no_longer_be_called_refused_or_in_doubt(ledger: Ledger, opened: Opened) -> None:
    lease = await opened()
    await ledger.advance(lease, Point.UPLOADED)
    submission = await taken(ledger, lease, Stage.LIP_SYNC, Point.LIP_SYNC_SUBMITTED, f"gen-{lease.job_id}")
    for late in (SubmissionState.REFUSED, SubmissionState.UNKNOWN, SubmissionState.WAITING):
        await ledger.settle(lease, submission, late, error="too late")
    [row] = await ledger.submissions(lease.job_id)
    assert row.state == SubmissionState.ACCEPTED


async def test_a_whole_job_leaves_a_gapless_trail_of_rising_progress(ledger: Ledger, opened: Opened) -> None:
    lease = await opened()
    await ledger.advance(lease, Point.UPLOADED)
    generation = await taken(ledger, lease, Stage.LIP_SYNC, Point.LIP_SYNC_SUBMITTED, f"g-{lease.job_id}")
    await ledger.settle(lease, generation, SubmissionState.DONE)
    await ledger.advance(lease, Point.LIP_SYNC_STORED)
    work = await taken(ledger, lease, Stage.TEXT_REMOVAL, Point.TEXT_REMOVAL_SUBMITTED, f"w-{lease.job_id}")
    await ledger.settle(lease, work, SubmissionState.DONE)
    await ledger.advance(lease, Point.TEXT_REMOVAL_STORED)
    job = await ledger.finish(lease, "s3://b/final")
    await ledger.finish(lease, "s3://b/again")
    assert (job.status, job.progress_percentage, job.output_url) == (Status.COMPLETED, 100, "s3://b/final")
    assert job.progress_message == "Pro video processing completed (lip-sync + text inpainting)"
    events = await ledger.events(lease.job_id)
    progress = [event.progress for event in events]
    assert progress == sorted(progress)
    assert [event.kind for event in events].count("completed") == 1


async def test_a_job_without_text_removal_says_so_when_it_is_done(ledger: Ledger, opened: Opened) -> None:
    lease = await opened(areas=0)
    await ledger.advance(lease, Point.UPLOADED)
    await taken(ledger, lease, Stage.LIP_SYNC, Point.LIP_SYNC_SUBMITTED, f"g-{lease.job_id}")
    await ledger.advance(lease, Point.LIP_SYNC_STORED)
    job = await ledger.finish(lease, "s3://b/final")
    assert job.progress_message == "Pro video processing completed (lip-sync only)"


# ---- the database ----------------------------------------------------------------------------------------------


async def test_a_database_that_does_not_answer_is_worth_a_retry_and_its_password_stays_secret() -> None:
    ledger = Ledger(engine_for("postgresql://someone:hush-hush@127.0.0.1:1/nothing"))
    with pytest.raises(LedgerUnavailable) as caught:
        await ledger.job("any")
    assert "hush" not in str(caught.value)


async def test_a_verb_that_no_connection_comes_free_for_is_worth_a_retry(database_url: str) -> None:
    engine = create_async_engine(driver_url(database_url), pool_size=1, max_overflow=0, pool_timeout=0.01)
    async with engine.connect():
        with pytest.raises(LedgerUnavailable, match="no connection free"):
            await Ledger(engine).job("any")
    await engine.dispose()


async def test_a_process_that_stood_still_in_a_transaction_may_try_again(
    database_url: str, ledger: Ledger, opened: Opened
) -> None:
    """Postgres has ended its connection by then, so that others can have the job."""
    lease = await opened()
    engine = create_async_engine(
        driver_url(database_url), connect_args={"options": "-c idle_in_transaction_session_timeout=20"}
    )

    def stand_still(submission: Submission) -> bytes:
        time.sleep(0.5)
        return a_body(submission)

    with pytest.raises(LedgerUnavailable):
        await Ledger(engine).intend(lease, Stage.LIP_SYNC, stand_still)
    await engine.dispose()
    assert (await ledger.intend(lease, Stage.LIP_SYNC, a_body)).fresh


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    await asyncio.to_thread(upgrade, database_url)
    engine = create_engine(driver_url(database_url))
    with engine.connect() as connection:
        assert not missing(connection)
    engine.dispose()
