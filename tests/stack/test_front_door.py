"""The owner's acceptance cases through the front door: a client written only from requirement M9, with plain httpx."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.stack.conftest import Desk
from tests.stack.short_clip import AREA, SEGMENT
from tests.stack.test_cancelling import until
from videojobs.states import Status

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
async def http(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {desk.stack.variables['VIDEOJOBS_TOKEN']}"}
    async with httpx.AsyncClient(base_url=desk.stack.address_of("gateway"), headers=headers, timeout=60) as client:
        yield client


async def ended(http: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    """As an old client waits: it asks for the status until it is one of the two last."""
    seen = [0]
    async with asyncio.timeout(150):
        while True:
            answer = await http.get(f"/api/v1/video-editors/pro-job/{job_id}/status")
            assert answer.status_code == 200, answer.text
            status: dict[str, Any] = answer.json()
            assert set(status) == {"job_id", "status", "progress", "message", "output_url"}
            seen.append(status["progress"])
            assert seen == sorted(seen), "progress never falls"
            if status["status"] != "processing":
                return status
            await asyncio.sleep(0.5)


def short_form(desk: Desk, **fields: str) -> dict[str, Any]:
    """As little work as possible."""
    sound = desk.short.audio["audio-2"]
    return {
        "files": [
            ("file", ("short.mp4", desk.short.video.read_bytes())),
            ("audio_files", (sound.name, sound.read_bytes())),
        ],
        "data": {"segments_data": json.dumps([SEGMENT]), **fields},
    }


async def submitted(http: httpx.AsyncClient, form: dict[str, Any]) -> str:
    answer = await http.post("/api/v1/video-editors/pro-sync-process", **form)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["job_id"]
    return job_id


async def test_an_old_client_hands_in_the_second_acceptance_case_and_gets_a_video_with_both_changes(
    desk: Desk, http: httpx.AsyncClient
) -> None:
    segments = [
        {"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1"}},
        {"startTime": 2.1, "endTime": 3.5, "audioInput": {"refId": "audio-2"}},
    ]
    effects = [{"kind": "erasure", "x": 0.3, "y": 0.3, "w": 0.4, "h": 0.4, "start": 4.1, "end": 8.3}]
    with desk.sample.video.open("rb") as video:
        sounds = [("audio_files", (path.name, path.read_bytes())) for path in desk.sample.audio.values()]
        answer = await http.post(
            "/api/v1/video-editors/pro-sync-process",
            files=[("file", ("talk.mp4", video)), *sounds],
            data={
                "segments_data": json.dumps(segments),
                "effects": json.dumps(json.dumps(effects)),  # as some old clients do
                "display_name": "Acceptance case 2",
            },
        )
    assert answer.status_code == 202, answer.text
    job_id = answer.json()["job_id"]
    status = await ended(http, job_id)
    assert (status["status"], status["progress"]) == ("completed", 100), status
    assert status["message"] == "Pro video processing completed (lip-sync + text inpainting)"
    final: Path = desk.folder / f"{job_id}.mp4"
    await asyncio.to_thread(final.write_bytes, await desk.download(status["output_url"]))
    job = await desk.ledger.job(job_id)
    assert job.display_name == "Acceptance case 2"
    assert desk.measure(job, final).failures() == []
    assert len(await desk.paid("sync_so", job_id)) == len(await desk.paid("ghostcut", job_id)) == 1


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


async def test_a_bad_file_that_begins_well_fails_with_a_reason_and_is_not_paid_for(
    desk: Desk, http: httpx.AsyncClient
) -> None:
    form = short_form(desk)
    form["files"][0] = ("file", ("short.mp4", desk.short.video.read_bytes()[:20_000]))
    job_id = await submitted(http, form)
    status = await ended(http, job_id)
    assert status["status"] == "failed"
    assert "video" in status["message"]
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
