"""GhostCut's callbacks at the API: they repair a lost response, and their content is verified before use."""

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from tests.acceptance.conftest import StackDriver
from tests.acceptance.test_cancellation import wait_until
from tests.acceptance.test_operator_actions import drop_submit_response, make_lost_work
from videojobs.db import SubmissionState
from videojobs.states import Stage, Status

pytestmark = pytest.mark.usefixtures("in_process_flows")


async def wait_until_completed(driver: StackDriver, job_id: str) -> None:
    """Wait until the job that another process resumes is completed."""

    async def is_completed() -> bool:
        return (await driver.repository.get_job(job_id)).status == Status.COMPLETED

    await wait_until(is_completed)


async def event_kinds(driver: StackDriver, job_id: str) -> list[str]:
    """The relevant events of the job, in order."""
    told = ("parked", "callback_received", "accepted", "completed")
    events = [event.kind for event in await driver.repository.list_events(job_id) if event.kind in told]
    assert events.pop(0) == "accepted", "Sync.so"
    return events


async def deployment_runs(driver: StackDriver, job_id: str) -> list[FlowRun]:
    newest = await driver.prefect.read_flow_runs(
        deployment_filter=DeploymentFilter(name=DeploymentFilterName(any_=["pro-video"])),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
    )
    return [run for run in newest if run.parameters.get("job_id") == job_id]


def sign_body(body: bytes, secret: str) -> str:
    """As the vendor documents it: md5hex(md5hex(body) + secret)."""
    inner = hashlib.md5(body).hexdigest()  # noqa: S324  # the vendor's algorithm
    return hashlib.md5((inner + secret).encode()).hexdigest()  # noqa: S324


async def send_callback(
    driver: StackDriver,
    job_id: str,
    body: dict[str, Any] | bytes,
    *,
    token: str | None = None,
    secret: str | None = None,
) -> int:
    """Send a callback to the address that the vendor was given for this job; gives the status of the response."""
    [work] = await driver.vendor_submissions("ghostcut", job_id)
    address, _, own = str(work["request"]["callback"]).rpartition("/")
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signature = sign_body(raw, secret or driver.stack.variables["GHOSTCUT_APP_SECRET"])
    async with httpx.AsyncClient() as vendor:
        answer = await vendor.post(f"{address}/{token or own}", content=raw, headers={"Callback-Sign": signature})
    assert answer.status_code != 200 or answer.content, "the vendor takes an empty body for a failure"
    return answer.status_code


def make_report(work: str, **more: Any) -> dict[str, Any]:
    return {"id": int(work), "idProject": 1, "url": "https://example.com/video.mp4", "processStatus": 1, **more}


@pytest.fixture
async def slow_ghostcut(driver: StackDriver) -> AsyncIterator[None]:
    """It processes for longer than a run needs to park its job, and retries rejected callbacks soon."""
    await driver.update_vendor_settings("ghostcut", processing_seconds=3, callback_retry_seconds=0.5)
    yield
    await driver.update_vendor_settings("ghostcut", processing_seconds=0.5, callback_retry_seconds=5)


async def test_a_callback_repairs_a_parked_job_with_a_lost_response(
    driver: StackDriver, job_id: str, slow_ghostcut: None
) -> None:
    await drop_submit_response(driver, job_id)
    assert (await driver.run_in_process(driver.make_small_request(), job_id)).parked_reason is not None
    await wait_until_completed(driver, job_id)
    [work] = await driver.vendor_submissions("ghostcut", job_id)
    job = await driver.repository.get_job(job_id)
    assert (job.parked_reason, job.job_metadata["ghostcut_task_id"]) == (None, str(work["id"]))
    assert await event_kinds(driver, job_id) == ["parked", "callback_received", "accepted", "completed"]
    [run] = await deployment_runs(driver, job_id)
    assert (await driver.wait_for_run(run)).state_name == "Completed"


async def test_a_callback_is_retried_while_the_api_is_down(
    driver: StackDriver, job_id: str, slow_ghostcut: None
) -> None:
    async def was_attempted() -> bool:
        return any(job_id in note["body"] for note in (await driver.vendor_state("ghostcut"))["notifications"])

    await driver.stack.kill("api")
    await drop_submit_response(driver, job_id)
    assert (await driver.run_in_process(driver.make_small_request(), job_id)).parked_reason is not None
    await wait_until(was_attempted)
    await driver.stack.restart("api")
    await wait_until_completed(driver, job_id)
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1


async def test_a_callback_before_the_submit_response_is_harmless(driver: StackDriver, job_id: str) -> None:
    await driver.inject_fault("ghostcut", "slow", job_id, when="after", seconds=8)
    assert (await driver.run_in_process(driver.make_small_request(), job_id)).status == Status.COMPLETED
    assert await event_kinds(driver, job_id) == ["callback_received", "accepted", "completed"]
    [work] = await driver.vendor_submissions("ghostcut", job_id)
    assert work["callback"] == "delivered"
    assert await deployment_runs(driver, job_id) == []


async def test_a_repeated_callback_with_another_link_gives_one_result(driver: StackDriver, job_id: str) -> None:
    await driver.inject_fault("ghostcut", "callback", job_id, effect="changed_url")
    job = await driver.run_in_process(driver.make_small_request(), job_id)
    assert job.status == Status.COMPLETED, job.error_message
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1
    assert (await driver.download_result(job)).stat().st_size > 0


async def test_a_response_without_work_ids_needs_no_callback(driver: StackDriver, job_id: str) -> None:
    await driver.inject_fault("ghostcut", "callback", job_id, effect="drop")
    await driver.inject_fault("ghostcut", "no_work_ids", job_id)
    job = await driver.run_in_process(driver.make_small_request(), job_id)
    [work] = await driver.vendor_submissions("ghostcut", job_id)
    assert (job.status, job.job_metadata["ghostcut_task_id"]) == (Status.COMPLETED, str(work["id"]))
    assert await event_kinds(driver, job_id) == ["accepted", "completed"]


async def test_repeated_and_late_callbacks_start_one_run(driver: StackDriver, job_id: str) -> None:
    work = await make_lost_work(driver, job_id)
    assert await asyncio.gather(*(send_callback(driver, job_id, make_report(work)) for _ in range(3))) == [200] * 3
    await wait_until_completed(driver, job_id)
    events = await event_kinds(driver, job_id)
    assert await send_callback(driver, job_id, make_report(work, videoUrl="https://example.com/another.mp4")) == 200
    assert await event_kinds(driver, job_id) == events == ["parked", "callback_received", "accepted", "completed"]
    assert len(await deployment_runs(driver, job_id)) == 1
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1


async def test_a_foreign_work_is_not_adopted_but_the_own_one_is(driver: StackDriver, job_id: str) -> None:
    async def is_parked_again() -> bool:
        return (await event_kinds(driver, job_id)).count("parked") == 2

    ours = await make_lost_work(driver, job_id)
    theirs = await make_lost_work(driver, f"job-{uuid.uuid4()}")
    assert await send_callback(driver, job_id, make_report(theirs)) == 200
    await wait_until(is_parked_again)
    assert await driver.submission_state(job_id, Stage.TEXT_REMOVAL) == SubmissionState.UNKNOWN
    assert len(await driver.vendor_submissions("ghostcut", job_id)) == 1
    assert await send_callback(driver, job_id, make_report(ours)) == 200
    await wait_until_completed(driver, job_id)
    assert (await driver.repository.get_job(job_id)).job_metadata["ghostcut_task_id"] == ours


async def test_a_forged_callback_is_rejected_and_changes_nothing(driver: StackDriver, job_id: str) -> None:
    work = make_report(await make_lost_work(driver, job_id))
    before = [event.kind for event in await driver.repository.list_events(job_id)]
    [lip_sync, _] = await driver.repository.list_submissions(job_id)
    refused = {
        "signed with another secret": await send_callback(driver, job_id, work, secret="guessed"),
        "an address that nobody was given": await send_callback(driver, job_id, work, token="x" * 43),
        "no address of ours at all": await send_callback(driver, job_id, work, token="%00"),
        "the address of another stage": await send_callback(driver, job_id, work, token=lip_sync.callback_token),
        "no JSON": await send_callback(driver, job_id, b"{"),
        "no report": await send_callback(driver, job_id, {"id": None}),
        "an id that is none": await send_callback(driver, job_id, work | {"id": "1\0"}),
        "too long": await send_callback(driver, job_id, work | {"url": "x" * 65_536}),
    }
    assert list(refused.values()) == [403, 404, 404, 404, 400, 400, 400, 413], refused
    assert [event.kind for event in await driver.repository.list_events(job_id)] == before
    assert (await driver.repository.get_job(job_id)).parked_reason is not None
    assert await deployment_runs(driver, job_id) == []
