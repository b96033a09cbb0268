"""The owner's own acceptance tests (requirements M12) over HTTP, submitted by a client of the old endpoints."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deployments.local.quality import QualityReport
from tests.acceptance.conftest import StackDriver
from tests.acceptance.test_acceptance import ERASURE, PROTECTION, SECOND_ERASURE
from tests.support.old_client import legacy_client, make_form, submit_form, wait_for_status
from videojobs.requests.models import JobRequest

ALIAS_URL = "/api/v1/sync/pro-sync-process"
SEGMENTS = [
    {"startTime": 0, "endTime": 2, "audioInput": {"refId": "audio-1"}},
    {"startTime": 2.1, "endTime": 3.5, "audioInput": {"refId": "audio-2"}},
]


@dataclass
class AcceptanceCase:
    """The client's final response, and the video it downloaded."""

    job_id: str
    status: dict[str, Any]
    video: Path

    @property
    def outcome(self) -> tuple[str, int, str]:
        return self.status["status"], self.status["progress"], self.status["message"]


@pytest.fixture(scope="session")
async def cases(driver: StackDriver) -> dict[str, AcceptanceCase]:
    """All cases at once. GhostCut is slow, so that it is polled more than five times."""
    twice = json.dumps(json.dumps([ERASURE]))  # as some old clients do
    three = json.dumps([ERASURE, SECOND_ERASURE, PROTECTION])
    sounds = list(driver.sample.audio.values())
    await driver.update_vendor_settings("ghostcut", processing_seconds=9)
    try:
        async with legacy_client(driver) as http:
            plain = make_form(driver.sample.video, sounds, SEGMENTS)
            both = make_form(driver.sample.video, sounds, SEGMENTS, effects=twice, display_name="Both")
            jobs = [
                await submit_form(http, plain),
                await submit_form(http, both),
                await submit_form(http, make_form(driver.sample.video, sounds, SEGMENTS, effects=three), ALIAS_URL),
            ]
            statuses = await asyncio.gather(*(wait_for_status(http, job_id) for job_id in jobs))
    finally:
        await driver.update_vendor_settings("ghostcut", processing_seconds=0.5)
    found = [await fetch_case(driver, job_id, status) for job_id, status in zip(jobs, statuses, strict=True)]
    return dict(zip(("lip-sync only", "both", "three areas"), found, strict=True))


async def fetch_case(driver: StackDriver, job_id: str, status: dict[str, Any]) -> AcceptanceCase:
    assert status["output_url"], status
    final: Path = driver.folder / f"{job_id}.mp4"
    await asyncio.to_thread(final.write_bytes, await driver.fetch_link(status["output_url"]))
    return AcceptanceCase(job_id, status, final)


async def measure_case(driver: StackDriver, case: AcceptanceCase) -> QualityReport:
    return driver.measure_quality(await driver.repository.get_job(case.job_id), case.video)


async def test_case_1_without_areas_is_lip_sync_only(driver: StackDriver, cases: dict[str, AcceptanceCase]) -> None:
    only = cases["lip-sync only"]
    assert only.outcome == ("completed", 100, "Pro video processing completed (lip-sync only)")
    report = await measure_case(driver, only)
    assert report.failures() == []
    assert len(report.sounds) == 2
    assert len(await driver.vendor_submissions("sync_so", only.job_id)) == 1
    assert await driver.vendor_submissions("ghostcut", only.job_id) == []


async def test_case_2_with_an_area_changes_lips_and_text(driver: StackDriver, cases: dict[str, AcceptanceCase]) -> None:
    both = cases["both"]
    assert both.outcome == ("completed", 100, "Pro video processing completed (lip-sync + text inpainting)")
    report = await measure_case(driver, both)
    assert report.failures() == []
    assert len(report.sounds) == 2
    assert len(report.texts) > 90
    assert (
        len(await driver.vendor_submissions("sync_so", both.job_id))
        == len(await driver.vendor_submissions("ghostcut", both.job_id))
        == 1
    )
    job = await driver.repository.get_job(both.job_id)
    assert job.display_name == "Both"
    assert job.processing_config["effects"] == [ERASURE]


async def test_case_3_sends_three_areas_to_ghostcut(driver: StackDriver, cases: dict[str, AcceptanceCase]) -> None:
    three = cases["three areas"]
    assert three.outcome == ("completed", 100, "Pro video processing completed (lip-sync + text inpainting)")
    [work] = await driver.vendor_submissions("ghostcut", three.job_id)
    assert [mask["type"] for mask in json.loads(work["request"]["videoInpaintMasks"])] == ["remove", "remove", "keep"]
    request = JobRequest.model_validate((await driver.repository.get_job(three.job_id)).request)
    assert [area.kind for area in request.effects] == ["erasure", "erasure", "protection"]


async def test_case_4_many_polls_leave_one_work_with_its_id(
    driver: StackDriver, cases: dict[str, AcceptanceCase]
) -> None:
    both = cases["both"]
    [work] = await driver.vendor_submissions("ghostcut", both.job_id)
    assert work["polls"] >= 5
    assert (await driver.repository.get_job(both.job_id)).job_metadata["ghostcut_task_id"] == str(work["id"])
