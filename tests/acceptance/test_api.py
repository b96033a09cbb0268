"""The API on the real stack: repeated, invalid, cancelled and failed jobs, and requests during a Prefect outage."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import StackDriver
from tests.acceptance.test_cancellation import wait_until
from tests.support import decompression_bombs, editor_client
from tests.support.old_client import legacy_client, make_form, submit_form, wait_for_status
from tests.support.short_clip import AREA, SEGMENT
from videojobs.states import Status

pytestmark = pytest.mark.usefixtures("in_process_flows")


@pytest.fixture
async def http(driver: StackDriver) -> AsyncIterator[httpx.AsyncClient]:
    async with legacy_client(driver) as client:
        yield client


def make_short_form(driver: StackDriver, **fields: str) -> dict[str, Any]:
    """As little processing as possible."""
    return make_form(driver.short_sample.video, [driver.short_sample.audio["audio-2"]], [SEGMENT], **fields)


async def test_the_old_editor_form_yields_a_video_on_the_jobs_page(
    driver: StackDriver, http: httpx.AsyncClient
) -> None:
    """Two sounds with one name, crops with one end, the later segment first, areas slightly outside."""
    sound = driver.short_sample.audio["audio-2"].read_bytes()
    answer = await http.post(
        "/api/v1/video-editors/pro-sync-process",
        files=editor_client.form_parts(
            ("my talk.mp4", driver.short_sample.video.read_bytes()),
            [("my voice.flac", sound), ("my voice.flac", sound)],
            [
                editor_client.make_segment(1.2, 2.0, editor_client.DROP_ZONE_REF_ID, startTime=0.3),
                editor_client.make_segment(0, 1.0, editor_client.DIALOG_REF_ID, endTime=0.9),
            ],
            [editor_client.make_area(start=-0.257, end=2.1, x=0.6002167), editor_client.make_area(start=2.4, end=2.4)],
        ),
    )
    assert answer.is_success, answer.text
    job_id = answer.json()["job_id"]
    status = await wait_for_status(http, job_id)
    assert status["message"] == "Pro video processing completed (lip-sync + text inpainting)"
    [bought] = await driver.vendor_submissions("sync_so", job_id)
    first, second = (segment["audioInput"] for segment in bought["request"]["segments"])
    seconds = (await driver.repository.get_job(job_id)).facts.audio[editor_client.DROP_ZONE_REF_ID].duration
    assert first == {"refId": editor_client.DIALOG_REF_ID, "startTime": 0, "endTime": 0.9}
    assert second == {
        "refId": editor_client.DROP_ZONE_REF_ID,
        "startTime": 0.3,
        "endTime": pytest.approx(seconds - 0.05, abs=1e-3),
    }
    [row] = [row for row in (await http.get("/api/v1/jobs/?page_size=10")).json()["jobs"] if row["id"] == job_id]
    assert (row["status"], row["duration"], row["file_size"]) == (
        "completed",
        2,
        driver.short_sample.video.stat().st_size,
    )
    async with httpx.AsyncClient(follow_redirects=True) as browser:
        assert (await browser.get(row["output_url"] + "?download=1")).content[4:8] == b"ftyp"


async def test_a_repeated_request_during_processing_is_paid_once(
    driver: StackDriver, http: httpx.AsyncClient, job_id: str
) -> None:
    """Without areas: a short form of case 1."""
    http.headers["Idempotency-Key"] = job_id
    first, second = await asyncio.gather(*(submit_form(http, make_short_form(driver)) for _ in range(2)))
    assert first == second
    status = await wait_for_status(http, first)
    assert status["message"] == "Pro video processing completed (lip-sync only)"
    assert await submit_form(http, make_short_form(driver)) == first
    assert len(await driver.vendor_submissions("sync_so", first)) == 1


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda video: video[:20_000], "video"),
        (lambda _: decompression_bombs.huge_sample_table(), "declares more than a file of its size can contain"),
    ],
    ids=["cut off", "a bomb"],
)
async def test_a_bad_file_with_a_valid_header_fails_unpaid(
    driver: StackDriver, http: httpx.AsyncClient, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    bad = make_short_form(driver)
    bad["files"][0] = ("file", ("short.mp4", spoil(driver.short_sample.video.read_bytes())))
    job_id = await submit_form(http, bad)
    status = await wait_for_status(http, job_id)
    assert status["status"] == "failed"
    assert reason in status["message"]
    assert await driver.vendor_submissions("sync_so", job_id) == []


async def test_a_job_cancelled_and_retried_by_api_is_paid_once(driver: StackDriver, http: httpx.AsyncClient) -> None:
    await driver.update_vendor_settings("sync_so", processing_seconds=3600)
    effects = json.dumps([{"kind": "erasure", **AREA}])
    job_id = await submit_form(http, make_short_form(driver, effects=effects))

    async def is_submitted() -> bool:
        return len(await driver.vendor_submissions("sync_so", job_id)) == 1

    async def is_cancelled() -> bool:
        return (await driver.repository.get_job(job_id)).status == Status.CANCELLED

    await wait_until(is_submitted)
    assert (await http.post(f"/api/v1/jobs/{job_id}/cancel")).status_code == 202
    await wait_until(is_cancelled)
    await driver.update_vendor_settings("sync_so", processing_seconds=0.5)
    assert "paid for" in (await http.get(f"/api/v1/jobs/{job_id}")).json()["error"]
    assert (await http.post(f"/api/v1/jobs/{job_id}/retry")).status_code == 202

    async def is_resumed() -> bool:
        return not await is_cancelled()

    await wait_until(is_resumed)
    assert (await wait_for_status(http, job_id))["status"] == "completed"
    assert (
        len(await driver.vendor_submissions("sync_so", job_id))
        == len(await driver.vendor_submissions("ghostcut", job_id))
        == 1
    )


async def test_a_failed_job_is_retried_from_its_failed_stage(driver: StackDriver, http: httpx.AsyncClient) -> None:
    await driver.update_vendor_settings("ghostcut", processing_seconds=1)
    effects = json.dumps([{"kind": "erasure", **AREA}])
    job_id = await submit_form(http, make_short_form(driver, effects=effects))
    await driver.inject_fault("ghostcut", "ends", job_id, status=20)
    status = await wait_for_status(http, job_id)
    await driver.update_vendor_settings("ghostcut", processing_seconds=0.5)
    assert status["message"].startswith("Text inpainting failed: ")
    assert status["output_url"], "the lip-sync result is offered"
    assert (await http.post(f"/api/v1/jobs/{job_id}/retry")).status_code == 202

    async def is_completed() -> bool:
        return (await driver.repository.get_job(job_id)).status == Status.COMPLETED

    await wait_until(is_completed)
    assert len(await driver.vendor_submissions("sync_so", job_id)) == 1, "what was delivered is not bought again"


async def test_a_prefect_outage_rejects_new_jobs_and_loses_none(driver: StackDriver, http: httpx.AsyncClient) -> None:
    job_id = await submit_form(http, make_short_form(driver))
    await driver.stack.kill("prefect_server")
    try:
        await asyncio.sleep(2.5)  # the API caches Prefect's readiness for this long
        answer = await http.post("/api/v1/video-editors/pro-sync-process", **make_short_form(driver))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert (await http.get(f"/api/v1/jobs/{job_id}")).status_code == 200
    finally:
        await driver.stack.restart("prefect_server")
    assert (await wait_for_status(http, job_id))["status"] == "completed"
