"""What goes wrong at the vendors (requirements M6, M7): faults in their own programs, outcomes in everybody's books."""

import asyncio
from typing import Any

import pytest

from tests.stack.conftest import Desk
from videojobs.intake import parse_request
from videojobs.ledger import Lease, SubmissionState
from videojobs.settings import Access
from videojobs.states import Point, Stage, Status

pytestmark = pytest.mark.usefixtures("here")


async def test_when_sync_so_fails_the_job_says_why_and_ghostcut_is_never_called(desk: Desk, job_id: str) -> None:
    await desk.fault("sync_so", "ends", job_id, errorCode="generation_pipeline_failed")
    job = await desk.run_here(desk.small(), job_id)
    assert job.status == Status.FAILED
    assert job.error_message is not None
    assert job.error_message.startswith("Lip-sync failed: ")
    assert "generation_pipeline_failed" in job.error_message
    assert await desk.paid("ghostcut", job_id) == []


async def test_when_ghostcut_fails_the_lip_sync_result_stays_and_is_offered(desk: Desk, job_id: str) -> None:
    await desk.fault("ghostcut", "ends", job_id, status=20)
    job = await desk.run_here(desk.small(), job_id)
    assert job.status == Status.FAILED
    assert job.error_message is not None
    assert job.error_message.startswith("Text inpainting failed: ")
    assert job.output_url == desk.store.uri(f"users/ada/jobs/{job_id}/pro_sync_result_{job_id}.mp4")
    assert (await desk.final_video(job)).stat().st_size > 10_000
    assert job.point is Point.TEXT_REMOVAL_SUBMITTED


async def test_a_failed_job_is_not_run_again_under_its_id(desk: Desk, job_id: str) -> None:
    await desk.fault("sync_so", "ends", job_id)
    first = await desk.run_here(desk.small(), job_id)
    again = await desk.run_here(desk.small(), job_id)
    assert again.error_message == first.error_message
    assert len(await desk.paid("sync_so", job_id)) == 1


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "reset", "when": "after"},
        {"kind": "http_error", "when": "after", "status": 502},
        {"kind": "malformed", "when": "after"},
        {"kind": "outcome_unknown", "with_id": False},
    ],
    ids=lambda fault: fault["kind"],
)
async def test_a_lost_answer_of_sync_so_is_asked_for_again_and_paid_for_once(
    desk: Desk, job_id: str, fault: dict[str, Any]
) -> None:
    await desk.fault("sync_so", job_id=job_id, **fault)
    job = await desk.run_here(desk.small(areas=False), job_id)
    assert job.status == Status.COMPLETED
    [generation] = await desk.paid("sync_so", job_id)
    assert generation["replays"] == 1


@pytest.mark.parametrize(
    ("vendor", "fault"),
    [
        ("sync_so", {"kind": "rate_limited"}),
        ("sync_so", {"kind": "no_free_slot"}),
        ("sync_so", {"kind": "truncated_download"}),
        ("sync_so", {"kind": "expired_link"}),
        ("sync_so", {"kind": "rate_limited", "retry_after": 0.1, "times": 3}),
        ("sync_so", {"kind": "http_error", "on": "status", "status": 503}),
        ("ghostcut", {"kind": "code", "code": 3006}),
        ("ghostcut", {"kind": "truncated_download"}),
        ("ghostcut", {"kind": "expired_link"}),
        ("ghostcut", {"kind": "malformed", "on": "status"}),
    ],
    ids=str,
)
async def test_what_a_retry_can_heal_is_healed_and_paid_for_once(
    desk: Desk, job_id: str, vendor: str, fault: dict[str, Any]
) -> None:
    await desk.fault(vendor, job_id=job_id, **fault)
    job = await desk.run_here(desk.small(areas=vendor == "ghostcut"), job_id)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert len(await desk.paid("sync_so", job_id)) == 1
    assert len(await desk.paid("ghostcut", job_id)) == (vendor == "ghostcut")


@pytest.mark.parametrize(
    ("vendor", "fault"),
    [
        ("sync_so", {"kind": "refused", "status": 401}),
        ("sync_so", {"kind": "refused", "status": 403}),
        ("sync_so", {"kind": "refused", "status": 404, "errorCode": "generation_not_found"}),
        ("sync_so", {"kind": "http_error", "status": 404}),
        ("ghostcut", {"kind": "http_error", "status": 401}),
        ("ghostcut", {"kind": "http_error", "status": 403}),
        ("ghostcut", {"kind": "code", "code": 2003}),
        ("ghostcut", {"kind": "code", "code": 3003}),
    ],
    ids=str,
)
async def test_a_refused_question_about_what_is_paid_for_is_asked_again_and_told(
    desk: Desk, job_id: str, vendor: str, fault: dict[str, Any]
) -> None:
    await desk.fault(vendor, job_id=job_id, on="status", times=3, **fault)
    job = await desk.run_here(desk.small(areas=vendor == "ghostcut"), job_id)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert len(await desk.paid("sync_so", job_id)) == 1
    assert len(await desk.paid("ghostcut", job_id)) == (vendor == "ghostcut")
    told = [event.detail or {} for event in await desk.ledger.events(job_id) if event.kind == "no_answer"]
    assert [detail["stage"] for detail in told] == [Stage.LIP_SYNC if vendor == "sync_so" else Stage.TEXT_REMOVAL]


async def test_of_two_runs_of_one_job_one_works_and_the_other_steps_aside(desk: Desk, job_id: str) -> None:
    states = await asyncio.gather(*(desk.state_here(desk.small(), job_id) for _ in range(3)))
    assert sorted(state.name or "" for state in states) == ["Completed", "SteppedAside", "SteppedAside"]
    assert len(await desk.paid("sync_so", job_id)) == 1
    assert len(await desk.paid("ghostcut", job_id)) == 1


async def test_a_completed_job_that_is_run_again_gives_its_video_and_buys_nothing(desk: Desk, job_id: str) -> None:
    first = await desk.run_here(desk.small(), job_id)
    state = await desk.state_here(desk.small(), job_id)
    assert await state.aresult() == first.output_url
    assert len(await desk.paid("sync_so", job_id)) == 1
    assert len(await desk.paid("ghostcut", job_id)) == 1


async def test_a_run_that_died_in_the_middle_is_continued_without_paying_again(desk: Desk, job_id: str) -> None:
    working = asyncio.create_task(desk.state_here(desk.small(), job_id))
    while (await desk.submission(job_id, Stage.TEXT_REMOVAL)) != SubmissionState.ACCEPTED:
        assert not working.done(), "the job ended before it could be killed"
    working.cancel()
    await asyncio.wait([working])
    job = await desk.run_here(desk.small(), job_id)
    assert job.status == Status.COMPLETED
    assert len(await desk.paid("sync_so", job_id)) == 1
    assert len(await desk.paid("ghostcut", job_id)) == 1


async def test_an_error_that_nobody_foresaw_leaves_the_job_to_be_gone_on_with(desk: Desk, job_id: str) -> None:
    request = desk.small(areas=False)
    await desk.ledger.open(job_id, parse_request(request, access=Access(allow_local_files=True)), actor="test")
    lease = Lease(job_id, "test/1")
    await desk.ledger.claim(lease, 60)
    await desk.ledger.advance(lease, Point.UPLOADED)  # without the facts that every upload records
    await desk.ledger.release(lease)
    state = await desk.state_here(request, job_id)
    assert state.is_failed()
    job = await desk.ledger.job(job_id)
    assert (job.status, job.error_message, job.lease_holder) == (Status.PROCESSING, None, None)
    assert [event.detail for event in await desk.ledger.events(job_id) if event.kind == "interrupted"] == [
        {"error": "KeyError"}
    ]
    assert await desk.paid("sync_so", job_id) == []


async def test_a_run_that_died_before_it_recorded_the_vendors_failure_is_followed_by_one_that_does(
    desk: Desk, job_id: str
) -> None:
    request = desk.small(areas=False)
    await desk.ledger.open(job_id, parse_request(request, access=Access(allow_local_files=True)), actor="test")
    lease = Lease(job_id, "test/1")
    await desk.ledger.claim(lease, 60)
    await desk.ledger.advance(lease, Point.UPLOADED)
    intent = await desk.ledger.intend(lease, Stage.LIP_SYNC, lambda _: b"{}")
    await desk.ledger.accept(
        lease, intent.submission, Point.LIP_SYNC_SUBMITTED, vendor_id=job_id, answer={}, metadata={}
    )
    why = "Lip-sync failed: no face"
    await desk.ledger.settle(lease, intent.submission, SubmissionState.FAILED, error=why)
    await desk.ledger.release(lease)
    job = await desk.run_here(request, job_id)
    assert (job.status, job.error_message) == (Status.FAILED, why)
    assert await desk.paid("sync_so", job_id) == []


async def test_another_request_under_a_known_job_id_is_refused(desk: Desk, job_id: str) -> None:
    first = await desk.run_here(desk.small(areas=False), job_id)
    state = await desk.state_here(desk.small(areas=True), job_id)
    assert state.is_failed()
    assert "known with another request" in str(state.message)
    assert (await desk.ledger.job(job_id)).output_url == first.output_url
