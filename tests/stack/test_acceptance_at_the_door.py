"""The owner's own acceptance tests (requirements M12), over HTTP: a client of the old endpoints hands them in."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployments.local.measure import Report
from tests.stack.conftest import Desk
from tests.stack.old_client import ended, form, old_client, submitted
from tests.stack.test_acceptance import ERASURE, PROTECTION, SECOND_ERASURE
from videojobs.request import JobRequest

ALIAS = "/api/v1/sync/pro-sync-process"
SEGMENTS = [
    {"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1"}},
    {"startTime": 2.1, "endTime": 3.5, "audioInput": {"refId": "audio-2"}},
]


@dataclass
class Case:
    """What the client was answered in the end, and the video that it was given."""

    job_id: str
    status: dict[str, Any]
    video: Path

    @property
    def outcome(self) -> tuple[str, int, str]:
        return self.status["status"], self.status["progress"], self.status["message"]


@pytest.fixture(scope="session")
async def cases(desk: Desk) -> dict[str, Case]:
    """All of them at once. GhostCut takes its time, so that it is polled more than five times."""
    twice = json.dumps(json.dumps([ERASURE]))  # as some old clients do
    three = json.dumps([ERASURE, SECOND_ERASURE, PROTECTION])
    sounds = list(desk.sample.audio.values())
    await desk.settings("ghostcut", processing_seconds=9)
    try:
        async with old_client(desk) as http:
            plain = form(desk.sample.video, sounds, SEGMENTS)
            both = form(desk.sample.video, sounds, SEGMENTS, effects=twice, display_name="Both")
            jobs = [
                await submitted(http, plain),
                await submitted(http, both),
                await submitted(http, form(desk.sample.video, sounds, SEGMENTS, effects=three), ALIAS),
            ]
            statuses = await asyncio.gather(*(ended(http, job_id) for job_id in jobs))
    finally:
        await desk.settings("ghostcut", processing_seconds=0.5)
    found = [await case(desk, job_id, status) for job_id, status in zip(jobs, statuses, strict=True)]
    return dict(zip(("lip-sync only", "both", "three areas"), found, strict=True))


async def case(desk: Desk, job_id: str, status: dict[str, Any]) -> Case:
    assert status["output_url"], status
    final: Path = desk.folder / f"{job_id}.mp4"
    await asyncio.to_thread(final.write_bytes, await desk.download(status["output_url"]))
    return Case(job_id, status, final)


async def measured(desk: Desk, case: Case) -> Report:
    return desk.measure(await desk.ledger.job(case.job_id), case.video)


async def test_case_1_without_areas_is_lip_sync_only(desk: Desk, cases: dict[str, Case]) -> None:
    only = cases["lip-sync only"]
    assert only.outcome == ("completed", 100, "Pro video processing completed (lip-sync only)")
    report = await measured(desk, only)
    assert report.failures() == []
    assert len(report.sounds) == 2
    assert len(await desk.paid("sync_so", only.job_id)) == 1
    assert await desk.paid("ghostcut", only.job_id) == []


async def test_case_2_with_an_area_has_both_changes_in_its_video(desk: Desk, cases: dict[str, Case]) -> None:
    both = cases["both"]
    assert both.outcome == ("completed", 100, "Pro video processing completed (lip-sync + text inpainting)")
    report = await measured(desk, both)
    assert report.failures() == []
    assert len(report.sounds) == 2
    assert len(report.texts) > 90
    assert len(await desk.paid("sync_so", both.job_id)) == len(await desk.paid("ghostcut", both.job_id)) == 1
    job = await desk.ledger.job(both.job_id)
    assert job.display_name == "Both"
    assert job.processing_config["effects"] == [ERASURE]


async def test_case_3_with_three_areas_sends_all_of_them_to_ghostcut(desk: Desk, cases: dict[str, Case]) -> None:
    three = cases["three areas"]
    assert three.outcome == ("completed", 100, "Pro video processing completed (lip-sync + text inpainting)")
    [work] = await desk.paid("ghostcut", three.job_id)
    assert [mask["type"] for mask in json.loads(work["request"]["videoInpaintMasks"])] == ["remove", "remove", "keep"]
    request = JobRequest.model_validate((await desk.ledger.job(three.job_id)).request)
    assert [area.kind for area in request.effects] == ["erasure", "erasure", "protection"]


async def test_case_4_after_many_polls_there_is_one_work_and_its_id_is_in_the_database(
    desk: Desk, cases: dict[str, Case]
) -> None:
    both = cases["both"]
    [work] = await desk.paid("ghostcut", both.job_id)
    assert work["polls"] >= 5
    assert (await desk.ledger.job(both.job_id)).job_metadata["ghostcut_task_id"] == str(work["id"])
