"""Lectures on a real Postgres: rows of the same table, with their own recovery points."""

import asyncio

import pytest
from sqlalchemy import text

from tests.integration.db.conftest import CreateLeasedJob, make_request
from videojobs.db import JobRepository, Lease, get_engine
from videojobs.errors import JobRequestConflict, VideoJobError
from videojobs.lecture.request import LectureRequest
from videojobs.pipeline.facts import JobFacts
from videojobs.states import JobKind, RecoveryPoint, Status

REQUEST = LectureRequest(video="s3://bucket/lecture.mp4", user_id="ada", display_name="On water")


@pytest.fixture
async def lease(repository: JobRepository, job_id: str) -> Lease:
    """The lease of a lecture's run."""
    await repository.create(job_id, REQUEST, actor="test")
    lease = Lease(job_id, "run-1/1")
    assert await repository.acquire_lease(lease, seconds=60) is None
    return lease


async def test_a_lecture_row_differs_from_a_pro_job_row(
    repository: JobRepository, lease: Lease, database_url: str
) -> None:
    job = await repository.get_job(lease.job_id)
    assert (job.kind, job.is_pro_job, job.request["video"]) == (JobKind.LECTURE, False, REQUEST.video)
    async with get_engine(database_url).connect() as connection:
        query = "SELECT jsonb_typeof(processing_config->'effects') FROM video_jobs WHERE id = :id"
        assert await connection.scalar(text(query), {"id": job.id}) == "array"


@pytest.mark.parametrize(
    "order",
    [(RecoveryPoint.TRANSCRIBED, RecoveryPoint.SLIDES_FOUND), (RecoveryPoint.SLIDES_FOUND, RecoveryPoint.TRANSCRIBED)],
    ids=str,
)
async def test_speech_and_slides_come_in_either_order(
    repository: JobRepository, lease: Lease, order: tuple[RecoveryPoint, RecoveryPoint]
) -> None:
    await repository.advance(lease, RecoveryPoint.FETCHED)
    first, second = order
    assert (await repository.advance(lease, first)).recovery_point is first
    assert (await repository.advance(lease, second, facts=JobFacts(slides=2))).recovery_point is RecoveryPoint.ANALYZED
    again = await repository.advance(lease, first)
    assert (again.recovery_point, again.facts.slides) == (RecoveryPoint.ANALYZED, 2)


async def test_of_two_parallel_stages_the_second_completes_the_point(repository: JobRepository, lease: Lease) -> None:
    await repository.advance(lease, RecoveryPoint.FETCHED)
    await asyncio.gather(
        *(repository.advance(lease, point) for point in (RecoveryPoint.TRANSCRIBED, RecoveryPoint.SLIDES_FOUND))
    )
    assert (await repository.get_job(lease.job_id)).recovery_point is RecoveryPoint.ANALYZED
    points = [event.point for event in await repository.list_events(lease.job_id) if event.kind == "advanced"]
    assert points[0] == RecoveryPoint.FETCHED
    assert points[-1] == RecoveryPoint.ANALYZED
    assert len(points) == 3


async def test_a_lecture_never_skips_a_stage_or_enters_a_pro_stage(repository: JobRepository, lease: Lease) -> None:
    for too_early in (RecoveryPoint.TRANSCRIBED, RecoveryPoint.ANALYZED, RecoveryPoint.DOCUMENTS_STORED):
        with pytest.raises(VideoJobError, match="cannot go from opened"):
            await repository.advance(lease, too_early)
    await repository.advance(lease, RecoveryPoint.FETCHED)
    with pytest.raises(VideoJobError, match="cannot go from fetched"):
        await repository.advance(lease, RecoveryPoint.UPLOADED)


async def test_a_failed_lecture_resumes_at_its_recovery_point(repository: JobRepository, lease: Lease) -> None:
    for point in (RecoveryPoint.FETCHED, RecoveryPoint.SLIDES_FOUND):
        await repository.advance(lease, point)
    await repository.fail(lease, "no speech recognition")
    job = await repository.reopen(lease, {"decision": "retry"})
    assert (job.status, job.recovery_point) == (Status.PROCESSING, RecoveryPoint.SLIDES_FOUND)


async def test_a_completed_lecture_has_its_final_message(repository: JobRepository, lease: Lease) -> None:
    for point in (
        RecoveryPoint.FETCHED,
        RecoveryPoint.SLIDES_FOUND,
        RecoveryPoint.TRANSCRIBED,
        RecoveryPoint.DOCUMENTS_STORED,
    ):
        await repository.advance(lease, point)
    job = await repository.complete(lease, "s3://bucket/lecture.pdf")
    assert (job.status, job.progress_percentage) == (Status.COMPLETED, 100)
    assert job.progress_message == "Lecture processing completed"


async def test_a_pro_job_id_is_refused_for_a_lecture(
    repository: JobRepository, create_leased_job: CreateLeasedJob, job_id: str
) -> None:
    await create_leased_job()
    with pytest.raises(JobRequestConflict):
        await repository.create(job_id, REQUEST, actor="test")


async def test_a_list_can_be_limited_to_lectures(repository: JobRepository, lease: Lease, job_id: str) -> None:
    await repository.create(f"{job_id}-pro", make_request(), actor="test")
    ids = [job.id for job in await repository.list_jobs("ada", kind=JobKind.LECTURE, limit=200)]
    assert job_id in ids
    assert f"{job_id}-pro" not in ids
