"""A client of the old endpoints, written from requirement M9 alone, with plain httpx."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from tests.acceptance.conftest import StackDriver

TIMEOUT_SECONDS: Final = 170  # seconds; processing two videos takes a minute
POLL_SECONDS: Final = 0.5


@asynccontextmanager
async def legacy_client(driver: StackDriver) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the address and token that `make up` prints."""
    headers = {"Authorization": f"Bearer {driver.stack.variables['VIDEOJOBS_TOKEN']}"}
    async with httpx.AsyncClient(base_url=driver.stack.address_of("api"), headers=headers, timeout=60) as client:
        yield client


def make_form(video: Path, sounds: Sequence[Path], segments: Sequence[object], **fields: str) -> dict[str, Any]:
    """The form data of a job."""
    files = [("file", (video.name, video.read_bytes()))]
    files += [("audio_files", (sound.name, sound.read_bytes())) for sound in sounds]
    return {"files": files, "data": {"segments_data": json.dumps(segments), **fields}}


async def submit_form(
    http: httpx.AsyncClient, form: dict[str, Any], path: str = "/api/v1/video-editors/pro-sync-process"
) -> str:
    """Submit the form; gives the job's id."""
    answer = await http.post(path, **form)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["job_id"]
    return job_id


async def wait_for_status(http: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    """Poll the status until it is one of the two final ones."""
    seen = [0]
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while True:
            answer = await http.get(f"/api/v1/video-editors/pro-job/{job_id}/status")
            assert answer.status_code == 200, answer.text
            status: dict[str, Any] = answer.json()
            assert set(status) >= {"job_id", "status", "progress", "message", "output_url"}
            seen.append(status["progress"])
            assert seen == sorted(seen), "progress never falls"
            if status["status"] != "processing":
                return status
            await asyncio.sleep(POLL_SECONDS)
