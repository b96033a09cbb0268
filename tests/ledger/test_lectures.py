"""Lectures on the books, on a real Postgres: rows of the same table, with points of their own."""

import asyncio

import pytest
from sqlalchemy import text

from tests.ledger.conftest import Opened, a_request
from videojobs.errors import RequestMismatch, VideoJobError
from videojobs.lecture.request import LectureRequest
from videojobs.ledger import Lease, Ledger, engine_for
from videojobs.states import Point, Status, Work

REQUEST = LectureRequest(video="s3://bucket/lecture.mp4", user_id="ada", display_name="On water")


@pytest.fixture
async def lease(ledger: Ledger, job_id: str) -> Lease:
    """A lecture that a run works on."""
    await ledger.open(job_id, REQUEST, actor="test")
    lease = Lease(job_id, "run-1/1")
    assert await ledger.claim(lease, seconds=60) is None
    return lease


async def test_a_lecture_is_told_from_a_pro_job_by_its_row(ledger: Ledger, lease: Lease, database_url: str) -> None:
    job = await ledger.job(lease.job_id)
    assert (job.work, job.is_pro_job, job.request["video"]) == (Work.LECTURE, False, REQUEST.video)
    async with engine_for(database_url).connect() as connection:
        query = "SELECT jsonb_typeof(processing_config->'effects') FROM video_jobs WHERE id = :id"
        assert await connection.scalar(text(query), {"id": job.id}) == "array"


@pytest.mark.parametrize(
    "order", [(Point.TRANSCRIBED, Point.SLIDES_FOUND), (Point.SLIDES_FOUND, Point.TRANSCRIBED)], ids=str
)
async def test_speech_and_slides_come_in_either_order(ledger: Ledger, lease: Lease, order: tuple[Point, Point]) -> None:
    await ledger.advance(lease, Point.FETCHED)
    first, second = order
    assert (await ledger.advance(lease, first)).point is first
    assert (await ledger.advance(lease, second, facts={"slides": 2})).point is Point.UNDERSTOOD
    again = await ledger.advance(lease, first)
    assert (again.point, again.facts["slides"]) == (Point.UNDERSTOOD, 2)


async def test_of_two_that_come_at_once_the_second_ends_both(ledger: Ledger, lease: Lease) -> None:
    await ledger.advance(lease, Point.FETCHED)
    await asyncio.gather(*(ledger.advance(lease, point) for point in (Point.TRANSCRIBED, Point.SLIDES_FOUND)))
    assert (await ledger.job(lease.job_id)).point is Point.UNDERSTOOD
    points = [event.point for event in await ledger.events(lease.job_id) if event.kind == "advanced"]
    assert points[0] == Point.FETCHED
    assert points[-1] == Point.UNDERSTOOD
    assert len(points) == 3


async def test_a_lecture_skips_no_stage_and_comes_to_no_point_of_a_pro_job(ledger: Ledger, lease: Lease) -> None:
    for too_early in (Point.TRANSCRIBED, Point.UNDERSTOOD, Point.DOCUMENTS_STORED):
        with pytest.raises(VideoJobError, match="cannot go from opened"):
            await ledger.advance(lease, too_early)
    await ledger.advance(lease, Point.FETCHED)
    with pytest.raises(VideoJobError, match="cannot go from fetched"):
        await ledger.advance(lease, Point.UPLOADED)


async def test_a_lecture_that_failed_goes_on_where_it_stood(ledger: Ledger, lease: Lease) -> None:
    for point in (Point.FETCHED, Point.SLIDES_FOUND):
        await ledger.advance(lease, point)
    await ledger.fail(lease, "no speech recognition")
    job = await ledger.reopen(lease, {"decision": "retry"})
    assert (job.status, job.point) == (Status.PROCESSING, Point.SLIDES_FOUND)


async def test_a_completed_lecture_says_so(ledger: Ledger, lease: Lease) -> None:
    for point in (Point.FETCHED, Point.SLIDES_FOUND, Point.TRANSCRIBED, Point.DOCUMENTS_STORED):
        await ledger.advance(lease, point)
    job = await ledger.finish(lease, "s3://bucket/lecture.pdf")
    assert (job.status, job.progress_percentage) == (Status.COMPLETED, 100)
    assert job.progress_message == "Lecture processing completed"


async def test_the_id_of_a_pro_job_is_no_lectures(ledger: Ledger, opened: Opened, job_id: str) -> None:
    await opened()
    with pytest.raises(RequestMismatch):
        await ledger.open(job_id, REQUEST, actor="test")


async def test_lists_can_be_of_lectures_only(ledger: Ledger, lease: Lease, job_id: str) -> None:
    await ledger.open(f"{job_id}-pro", a_request(), actor="test")
    ids = [job.id for job in await ledger.jobs_of("ada", work=Work.LECTURE, limit=200)]
    assert job_id in ids
    assert f"{job_id}-pro" not in ids
