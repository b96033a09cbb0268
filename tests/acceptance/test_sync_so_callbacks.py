"""Sync.so's callbacks on the real stack: they wake a waiting job, and name a generation whose response was lost."""

import asyncio
import json

import pytest

from tests.acceptance.conftest import StackDriver
from tests.acceptance.test_cancellation import wait_until
from videojobs.db import VideoJob
from videojobs.states import Stage, Status

pytestmark = pytest.mark.usefixtures("in_process_flows")


async def run_lip_sync_job(driver: StackDriver, job_id: str) -> VideoJob:
    """A job with lip-sync only, completed with one paid generation."""
    job = await driver.run_in_process(driver.make_small_request(areas=False), job_id)
    assert (job.status, job.parked_reason) == (Status.COMPLETED, None), job.error_message
    assert len(await driver.vendor_submissions("sync_so", job_id)) == 1
    return job


async def webhook_outcomes(driver: StackDriver, job_id: str) -> list[str]:
    """The outcome of each delivery of the job's webhook, once there is one."""
    found: list[str] = []

    async def has_outcomes() -> bool:
        notes = (await driver.vendor_state("sync_so"))["notifications"]
        found[:] = [note["outcome"] for note in notes if job_id in note["body"]]
        return bool(found)

    await wait_until(has_outcomes)
    return found


async def callback_vendor_ids(driver: StackDriver, job_id: str) -> list[str]:
    """The generations that webhooks reported first."""
    return [
        event.detail["reported_vendor_id"]
        for event in await driver.repository.list_events(job_id)
        if event.kind == "callback_received" and event.detail
    ]


async def test_the_recorded_request_has_the_callback_address(driver: StackDriver, job_id: str) -> None:
    await run_lip_sync_job(driver, job_id)
    [submission] = await driver.repository.list_submissions(job_id)
    [generation] = await driver.vendor_submissions("sync_so", job_id)
    address = f"{driver.stack.address_of('api')}/callbacks/sync_so/{submission.callback_token}"
    assert json.loads(submission.request_body)["webhookUrl"] == generation["request"]["webhookUrl"] == address
    assert await webhook_outcomes(driver, job_id) == ["200"]
    assert await callback_vendor_ids(driver, job_id) == []


async def test_a_lost_response_is_replayed_with_identical_bytes(driver: StackDriver, job_id: str) -> None:
    await driver.inject_fault("sync_so", "reset", job_id, when="after")
    await run_lip_sync_job(driver, job_id)
    [generation] = await driver.vendor_submissions("sync_so", job_id)
    assert generation["replays"] == 1
    assert await webhook_outcomes(driver, job_id) == ["200"]


async def test_a_webhook_interrupts_the_long_poll(driver: StackDriver, job_id: str) -> None:
    await driver.inject_fault("sync_so", "slow", job_id, on="status", when="after", seconds=100)
    async with asyncio.timeout(50):
        await run_lip_sync_job(driver, job_id)


async def test_a_webhook_resolves_a_response_lost_for_good(
    driver: StackDriver, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_IDEMPOTENT_RETRY_HOURS", "0")
    await driver.inject_fault("sync_so", "reset", job_id, when="after")
    await driver.inject_fault("sync_so", "http_error", "", on="list", times=1000)
    try:
        job = await run_lip_sync_job(driver, job_id)
    finally:
        await driver.clear_faults("sync_so")
    [generation] = await driver.vendor_submissions("sync_so", job_id)
    assert await callback_vendor_ids(driver, job_id) == [generation["id"]] == [job.zhaoli_task_id]
    assert await driver.submission_state(job_id, Stage.LIP_SYNC) == "done"


@pytest.mark.parametrize(
    ("effect", "answers"),
    [("drop", ["dropped"]), ("duplicate", ["200", "200"]), ("wrong_signature", ["403"]), ("old", ["403"])],
)
async def test_a_lost_repeated_forged_or_stale_webhook_is_harmless(
    driver: StackDriver, job_id: str, effect: str, answers: list[str]
) -> None:
    await driver.inject_fault("sync_so", "webhook", job_id, effect=effect)
    await run_lip_sync_job(driver, job_id)
    assert await webhook_outcomes(driver, job_id) == answers
    assert await callback_vendor_ids(driver, job_id) == []


async def test_a_webhook_before_the_submit_response_is_harmless(driver: StackDriver, job_id: str) -> None:
    await driver.inject_fault("sync_so", "slow", job_id, when="after", seconds=4)
    job = await run_lip_sync_job(driver, job_id)
    assert await callback_vendor_ids(driver, job_id) == [job.zhaoli_task_id]
