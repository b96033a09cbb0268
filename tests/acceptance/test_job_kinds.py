"""Text removal alone, the whole frame, and one audio for the whole video: submitted by the old editor's forms."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.conftest import StackDriver
from tests.support.captions import caption_visibility
from tests.support.emulator_clips import write_audio
from tests.support.old_client import legacy_client, wait_for_status
from videojobs.db import VideoJob
from videojobs.states import Status

WHOLE_VIDEO_URL: Final = "/api/v1/video-editors/sync-process"
TEXT_REMOVAL_URL: Final = "/api/v1/jobs/direct-process"
BOX: Final = {"x": 0.3, "y": 0.3, "width": 0.4, "height": 0.4}  # around the caption, which is there from 4.1 to 8.3 s
PROTECTED: Final = [{"type": "protection", "startTime": 4.1, "endTime": 6, "region": BOX}]
ERASED: Final = [{"type": "erasure", "startTime": 4.1, "endTime": 6, "region": BOX}]
FRAMES_PER_SECOND: Final = 25
AUDIO_SECONDS: Final = 12.0  # longer than the video of 10 s, so that its picture is repeated


@dataclass(frozen=True)
class FinishedJob:
    """A job, its final status as the client reads it, its result, and the caption's visibility in each frame."""

    job: VideoJob
    status: dict[str, Any]
    video: Path
    caption: list[float]

    def caption_between(self, start: float, end: float) -> list[float]:
        """From and to a second of the result, without the frames at the ends."""
        return self.caption[round(start * FRAMES_PER_SECOND) + 2 : round(end * FRAMES_PER_SECOND) - 2]


@pytest.fixture(scope="session")
def long_audio(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise: each second differs from all others."""
    return write_audio(tmp_path_factory.mktemp("speech") / "my voice.wav", AUDIO_SECONDS, seed=5)


def effects_part(areas: list[dict[str, Any]]) -> tuple[str, tuple[None, bytes]]:
    return "effects", (None, json.dumps(areas).encode())


@pytest.fixture(scope="session")
async def finished_jobs(driver: StackDriver, long_audio: Path) -> dict[str, FinishedJob]:
    """One job of each kind, all at once."""
    video = ("file", (driver.sample.video.name, driver.sample.video.read_bytes()))
    audio = ("audio", (long_audio.name, await asyncio.to_thread(long_audio.read_bytes)))
    forms: dict[str, tuple[str, list[Any]]] = {
        "one audio": (WHOLE_VIDEO_URL, [video, audio]),
        "whole frame": (TEXT_REMOVAL_URL, [video]),
        "protected": (TEXT_REMOVAL_URL, [video, effects_part(PROTECTED)]),
        "area": (TEXT_REMOVAL_URL, [video, effects_part(ERASED)]),
    }
    async with legacy_client(driver) as http:
        answers = [await http.post(url, files=parts) for url, parts in forms.values()]
        assert [answer.status_code for answer in answers] == [202] * len(forms), [answer.text for answer in answers]
        job_ids = [answer.json()["job_id"] for answer in answers]
        statuses = await asyncio.gather(*(wait_for_status(http, job_id) for job_id in job_ids))
    found = [await read_result(driver, status) for status in statuses]
    return dict(zip(forms, found, strict=True))


async def read_result(driver: StackDriver, status: dict[str, Any]) -> FinishedJob:
    job = await driver.repository.get_job(status["job_id"])
    assert job.status == Status.COMPLETED, job.error_message
    video = await driver.download_result(job)
    return FinishedJob(job, status, video, await asyncio.to_thread(caption_visibility, driver.sample, video))


async def test_one_audio_covers_the_whole_video_and_text_is_gone(
    driver: StackDriver, finished_jobs: dict[str, FinishedJob], long_audio: Path
) -> None:
    done = finished_jobs["one audio"]
    assert done.status["message"] == "Pro video processing completed (lip-sync + text inpainting)"
    [generation] = await driver.vendor_submissions("sync_so", done.job.id)
    assert "segments" not in generation["request"]
    assert generation["request"]["options"] == {"sync_mode": "loop"}
    [work] = await driver.vendor_submissions("ghostcut", done.job.id)
    assert (work["request"]["needChineseOcclude"], "videoInpaintMasks" in work["request"]) == (1, False)
    report = driver.measure_quality(done.job, done.video, audio={"audio-1": long_audio})
    assert report.failures() == []
    assert report.expected_length == pytest.approx(AUDIO_SECONDS, abs=0.05)
    [sound] = report.sounds
    assert sound.end - sound.start == pytest.approx(AUDIO_SECONDS, abs=0.05)
    assert max(done.caption) < 0.1


async def test_the_whole_frame_loses_its_text_and_buys_no_lip_sync(
    driver: StackDriver, finished_jobs: dict[str, FinishedJob]
) -> None:
    done = finished_jobs["whole frame"]
    assert done.status["message"] == "Pro video processing completed (text inpainting)"
    assert (done.status["status"], done.status["progress"]) == ("completed", 100)
    assert await driver.vendor_submissions("sync_so", done.job.id) == []
    assert len(await driver.vendor_submissions("ghostcut", done.job.id)) == 1
    assert max(caption_visibility(driver.sample, driver.sample.video)) > 0.9
    assert max(done.caption) < 0.1
    report = driver.measure_quality(done.job, done.video)
    assert report.failures() == []
    assert len(report.texts) > 90
    assert list(done.job.estimate or {}) == ["text_removal"]


async def test_protected_text_stays_and_all_other_text_goes(finished_jobs: dict[str, FinishedJob]) -> None:
    done = finished_jobs["protected"]
    assert min(done.caption_between(4.1, 6)) > 0.9
    assert max(done.caption_between(6, 8.3)) < 0.1


async def test_an_area_of_text_removal_alone_keeps_its_times(
    driver: StackDriver, finished_jobs: dict[str, FinishedJob]
) -> None:
    done = finished_jobs["area"]
    assert max(done.caption_between(4.1, 6)) < 0.15
    assert min(done.caption_between(6, 8.3)) > 0.9
    assert driver.measure_quality(done.job, done.video).failures() == []


async def test_the_folder_of_text_removal_alone_has_no_lip_sync(
    driver: StackDriver, finished_jobs: dict[str, FinishedJob]
) -> None:
    job = finished_jobs["whole frame"].job
    folder = f"users/{job.user_id}/jobs/{job.id}/"
    names = [key.removeprefix(folder) for key in driver.store.list_keys(folder)]
    assert sorted(names) == [f"before_after_{job.id}.jpg", "inputs/video.mp4", f"pro_result_{job.id}.mp4"]
