"""Failures at the vendors (requirements M6, M7): faults in the emulators, and the resulting records on both sides."""

import asyncio
from typing import Any

import pytest

from tests.acceptance.conftest import StackDriver
from videojobs.db import Lease, SubmissionState
from videojobs.requests.parsing import parse_request
from videojobs.settings import AccessSettings
from videojobs.states import RecoveryPoint, Stage, Status

pytestmark = pytest.mark.usefixtures("in_process_flows")


async def test_a_sync_so_failure_ends_the_job_before_ghostcut(driver: StackDriver, job_id: str) -> None:
    await driver.inject_fault("sync_so", "ends", job_id, errorCode="generation_pipeline_failed")
    job = await driver.run_in_process(driver.make_small_request(), job_id)
    assert job.status == Status.FAILED
    assert job.error_message is not None
    assert job.error_message.startswith("Lip-sync failed: ")
    assert "generation_pipeline_failed" in job.error_message
    assert await driver.vendor_submissions("ghostcut", job_id) == []


async def test_a_ghostcut_failure_offers_the_lip_sync_result(driver: StackDriver, job_id: str) -> None:
    await driver.inject_fault("ghostcut", "ends", job_id, status=20)
    job = await driver.run_in_process(driver.make_small_request(), job_id)
    assert job.status == Status.FAILED
    assert job.error_message is not None
    assert job.error_message.startswith("Text inpainting failed: ")
    assert job.output_url == driver.store.uri(f"users/ada/jobs/{job_id}/pro_sync_result_{job_id}.mp4")
    assert (await driver.download_result(job)).stat().st_size > 10_000
    assert job.recovery_point is RecoveryPoint.TEXT_REMOVAL_SUBMITTED


async def test_a_failed_job_is_not_rerun_under_its_id(driver: StackDriver, job_id: str) -> None:
    await driver.inject_fault("sync_so", "ends", job_id)
    first = await driver.run_in_process(driver.make_small_request(), job_id)
    again = await driver.run_in_process(driver.make_small_request(), job_id)
    assert again.error_message == first.error_message
    assert len(await driver.vendor_submissions("sync_so", job_id)) == 1


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
async def test_a_lost_sync_so_response_is_replayed_and_paid_once(
    driver: StackDriver, job_id: str, fault: dict[str, Any]
) -> None:
    await driver.inject_fault("sync_so", job_id=job_id, **fault)
    job = await driver.run_in_process(driver.make_small_request(areas=False), job_id)
    assert job.status == Status.COMPLETED
    [generation] = await driver.vendor_submissions("sync_so", job_id)
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
async def test_a_transient_error_is_retried_and_paid_once(
    driver: StackDriver, job_id: str, vendor: str, fault: dict[str, Any]
) -> None:
    await driver.inject_fault(vendor, job_id=job_id, **fault)
    job = await driver.run_in_process(driver.make_small_request(areas=vendor == "ghostcut"), job_id)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert len(await driver.vendor_submissions("sync_so", job_id)) == 1
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == (vendor == "ghostcut")


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
async def test_a_rejected_status_request_is_retried_and_recorded(
    driver: StackDriver, job_id: str, vendor: str, fault: dict[str, Any]
) -> None:
    await driver.inject_fault(vendor, job_id=job_id, on="status", times=3, **fault)
    job = await driver.run_in_process(driver.make_small_request(areas=vendor == "ghostcut"), job_id)
    assert (job.status, job.error_message) == (Status.COMPLETED, None)
    assert len(await driver.vendor_submissions("sync_so", job_id)) == 1
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == (vendor == "ghostcut")
    told = [event.detail or {} for event in await driver.repository.list_events(job_id) if event.kind == "no_answer"]
    assert [detail["stage"] for detail in told] == [Stage.LIP_SYNC if vendor == "sync_so" else Stage.TEXT_REMOVAL]


async def test_of_two_runs_of_one_job_one_is_skipped(driver: StackDriver, job_id: str) -> None:
    states = await asyncio.gather(*(driver.run_to_state(driver.make_small_request(), job_id) for _ in range(3)))
    assert sorted(state.name or "" for state in states) == ["Completed", "Skipped", "Skipped"]
    assert len(await driver.vendor_submissions("sync_so", job_id)) == 1
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1


async def test_rerunning_a_completed_job_buys_nothing(driver: StackDriver, job_id: str) -> None:
    first = await driver.run_in_process(driver.make_small_request(), job_id)
    state = await driver.run_to_state(driver.make_small_request(), job_id)
    assert await state.aresult() == first.output_url
    assert len(await driver.vendor_submissions("sync_so", job_id)) == 1
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1


async def test_a_crashed_run_resumes_without_paying_again(driver: StackDriver, job_id: str) -> None:
    working = asyncio.create_task(driver.run_to_state(driver.make_small_request(), job_id))
    while (await driver.submission_state(job_id, Stage.TEXT_REMOVAL)) != SubmissionState.ACCEPTED:
        assert not working.done(), "the job ended before it could be killed"
    working.cancel()
    await asyncio.wait([working])
    job = await driver.run_in_process(driver.make_small_request(), job_id)
    assert job.status == Status.COMPLETED
    assert len(await driver.vendor_submissions("sync_so", job_id)) == 1
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1


async def test_an_unhandled_error_leaves_the_job_resumable(driver: StackDriver, job_id: str) -> None:
    request = driver.make_small_request(areas=False)
    await driver.repository.create(
        job_id, parse_request(request, access=AccessSettings(allow_local_files=True)), actor="test"
    )
    lease = Lease(job_id, "test/1")
    await driver.repository.acquire_lease(lease, 60)
    await driver.repository.advance(lease, RecoveryPoint.UPLOADED)  # without the facts that every upload records
    await driver.repository.release_lease(lease)
    state = await driver.run_to_state(request, job_id)
    assert state.is_failed()
    job = await driver.repository.get_job(job_id)
    assert (job.status, job.error_message, job.lease_holder) == (Status.PROCESSING, None, None)
    assert [event.detail for event in await driver.repository.list_events(job_id) if event.kind == "interrupted"] == [
        {"error": "MissingFact"}
    ]
    assert await driver.vendor_submissions("sync_so", job_id) == []


async def test_a_vendor_failure_is_recorded_after_a_crash(driver: StackDriver, job_id: str) -> None:
    request = driver.make_small_request(areas=False)
    await driver.repository.create(
        job_id, parse_request(request, access=AccessSettings(allow_local_files=True)), actor="test"
    )
    lease = Lease(job_id, "test/1")
    await driver.repository.acquire_lease(lease, 60)
    await driver.repository.advance(lease, RecoveryPoint.UPLOADED)
    intent = await driver.repository.create_intent(lease, Stage.LIP_SYNC, lambda _: b"{}", provider="sync_so")
    await driver.repository.record_accepted(
        lease, intent.submission, RecoveryPoint.LIP_SYNC_SUBMITTED, vendor_id=job_id, answer={}, metadata={}
    )
    why = "Lip-sync failed: no face"
    await driver.repository.record_outcome(lease, intent.submission, SubmissionState.FAILED, error=why)
    await driver.repository.release_lease(lease)
    job = await driver.run_in_process(request, job_id)
    assert (job.status, job.error_message) == (Status.FAILED, why)
    assert await driver.vendor_submissions("sync_so", job_id) == []


async def test_another_request_under_a_known_job_id_is_rejected(driver: StackDriver, job_id: str) -> None:
    first = await driver.run_in_process(driver.make_small_request(areas=False), job_id)
    state = await driver.run_to_state(driver.make_small_request(areas=True), job_id)
    assert state.is_failed()
    assert "exists with another request" in str(state.message)
    assert (await driver.repository.get_job(job_id)).output_url == first.output_url
