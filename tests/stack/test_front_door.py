"""On the real stack: what is sent twice, is bad, is cancelled, has failed, or comes while Prefect is away."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.gateway import editor
from tests.media import bombs
from tests.stack.conftest import Desk
from tests.stack.old_client import ended, form, old_client, submitted
from tests.stack.short_clip import AREA, SEGMENT
from tests.stack.test_cancelling import until
from videojobs.states import Status

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
async def http(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    async with old_client(desk) as client:
        yield client


def short_form(desk: Desk, **fields: str) -> dict[str, Any]:
    """As little work as possible."""
    return form(desk.short.video, [desk.short.audio["audio-2"]], [SEGMENT], **fields)


async def test_the_form_of_the_old_editor_ends_in_a_finished_video_on_its_jobs_page(
    desk: Desk, http: httpx.AsyncClient
) -> None:
    """Two sounds of one name, crops with one end, the later segment first, areas a little outside."""
    sound = desk.short.audio["audio-2"].read_bytes()
    answer = await http.post(
        "/api/v1/video-editors/pro-sync-process",
        files=editor.parts(
            ("my talk.mp4", desk.short.video.read_bytes()),
            [("my voice.flac", sound), ("my voice.flac", sound)],
            [editor.segment(1.2, 2.0, editor.TWO, startTime=0.3), editor.segment(0, 1.0, editor.ONE, endTime=0.9)],
            [editor.area(start=-0.257, end=2.1, x=0.6002167), editor.area(start=2.4, end=2.4)],
        ),
    )
    assert answer.is_success, answer.text
    job_id = answer.json()["job_id"]
    status = await ended(http, job_id)
    assert status["message"] == "Pro video processing completed (lip-sync + text inpainting)"
    [bought] = await desk.paid("sync_so", job_id)
    first, second = (segment["audioInput"] for segment in bought["request"]["segments"])
    seconds = (await desk.ledger.job(job_id)).facts["audio"][editor.TWO]["duration"]
    assert first == {"refId": editor.ONE, "startTime": 0, "endTime": 0.9}
    assert second == {"refId": editor.TWO, "startTime": 0.3, "endTime": pytest.approx(seconds - 0.05, abs=1e-3)}
    [row] = [row for row in (await http.get("/api/v1/jobs/?page_size=10")).json()["jobs"] if row["id"] == job_id]
    assert (row["status"], row["duration"], row["file_size"]) == ("completed", 2, desk.short.video.stat().st_size)
    async with httpx.AsyncClient() as browser:
        assert (await browser.get(row["output_url"] + "?download=1")).content[4:8] == b"ftyp"


async def test_the_same_request_sent_again_while_it_is_at_work_is_not_paid_twice(
    desk: Desk, http: httpx.AsyncClient, job_id: str
) -> None:
    """Without areas: case 1 in short."""
    http.headers["Idempotency-Key"] = job_id
    first, second = await asyncio.gather(*(submitted(http, short_form(desk)) for _ in range(2)))
    assert first == second
    status = await ended(http, first)
    assert status["message"] == "Pro video processing completed (lip-sync only)"
    assert await submitted(http, short_form(desk)) == first
    assert len(await desk.paid("sync_so", first)) == 1


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda video: video[:20_000], "video"),
        (lambda _: bombs.endless_index(), "names more than a video of its size can have"),
    ],
    ids=["cut off", "a bomb"],
)
async def test_a_bad_file_that_begins_well_fails_with_a_reason_and_is_not_paid_for(
    desk: Desk, http: httpx.AsyncClient, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    bad = short_form(desk)
    bad["files"][0] = ("file", ("short.mp4", spoil(desk.short.video.read_bytes())))
    job_id = await submitted(http, bad)
    status = await ended(http, job_id)
    assert status["status"] == "failed"
    assert reason in status["message"]
    assert await desk.paid("sync_so", job_id) == []


async def test_a_job_is_cancelled_and_retried_over_the_api_and_bought_once(desk: Desk, http: httpx.AsyncClient) -> None:
    await desk.settings("sync_so", processing_seconds=3600)
    effects = json.dumps([{"kind": "erasure", **AREA}])
    job_id = await submitted(http, short_form(desk, effects=effects))

    async def is_bought() -> bool:
        return len(await desk.paid("sync_so", job_id)) == 1

    async def is_cancelled() -> bool:
        return (await desk.ledger.job(job_id)).status == Status.CANCELLED

    await until(is_bought)
    assert (await http.post(f"/api/v1/jobs/{job_id}/cancel")).status_code == 202
    await until(is_cancelled)
    await desk.settings("sync_so", processing_seconds=0.5)
    assert "paid for" in (await http.get(f"/api/v1/jobs/{job_id}")).json()["error"]
    assert (await http.post(f"/api/v1/jobs/{job_id}/retry")).status_code == 202

    async def goes_on() -> bool:
        return not await is_cancelled()

    await until(goes_on)
    assert (await ended(http, job_id))["status"] == "completed"
    assert len(await desk.paid("sync_so", job_id)) == len(await desk.paid("ghostcut", job_id)) == 1


async def test_a_failed_job_is_retried_from_its_failed_stage(desk: Desk, http: httpx.AsyncClient) -> None:
    await desk.settings("ghostcut", processing_seconds=1)
    effects = json.dumps([{"kind": "erasure", **AREA}])
    job_id = await submitted(http, short_form(desk, effects=effects))
    await desk.fault("ghostcut", "ends", job_id, status=20)
    status = await ended(http, job_id)
    await desk.settings("ghostcut", processing_seconds=0.5)
    assert status["message"].startswith("Text inpainting failed: ")
    assert status["output_url"], "the lip-sync result is offered"
    assert (await http.post(f"/api/v1/jobs/{job_id}/retry")).status_code == 202

    async def is_completed() -> bool:
        return (await desk.ledger.job(job_id)).status == Status.COMPLETED

    await until(is_completed)
    assert len(await desk.paid("sync_so", job_id)) == 1, "what was delivered is not bought again"


async def test_while_prefect_is_away_nothing_is_taken_in_and_what_was_is_not_lost(
    desk: Desk, http: httpx.AsyncClient
) -> None:
    job_id = await submitted(http, short_form(desk))
    await desk.stack.kill("prefect_server")
    try:
        await asyncio.sleep(2.5)  # for so long the door believes that Prefect is there
        answer = await http.post("/api/v1/video-editors/pro-sync-process", **short_form(desk))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert (await http.get(f"/api/v1/jobs/{job_id}")).status_code == 200
    finally:
        await desk.stack.restart("prefect_server")
    assert (await ended(http, job_id))["status"] == "completed"
