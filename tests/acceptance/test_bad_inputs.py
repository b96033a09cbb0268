"""Invalid input is rejected with its field named, for every kind and before any vendor call (invariant 8)."""

import asyncio
import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from blocks import Connections
from deployments.local.sample import SampleFiles
from tasks.admit import admit
from tests.acceptance.conftest import StackDriver
from tests.support.media_factory import MediaSpec
from tests.unit.test_request_refusals import ALL_CASES, RefusalCase, change_request
from videojobs.errors import InvalidRequest
from videojobs.states import RecoveryPoint, Status

pytestmark = pytest.mark.usefixtures("in_process_flows")

Change = Callable[[dict[str, Any], SampleFiles, Path], None]


def spoil_video(make: Callable[[bytes], bytes], name: str = "bad.mp4") -> Change:
    """Damage the sample's video."""

    def change(request: dict[str, Any], sample: SampleFiles, folder: Path) -> None:
        bad = folder / name
        bad.write_bytes(make(sample.video.read_bytes()))
        request["video"] = str(bad)

    return change


def spoil_audio(make: Callable[[bytes], bytes], name: str) -> Change:
    """Damage the first clip."""

    def change(request: dict[str, Any], sample: SampleFiles, folder: Path) -> None:
        bad = folder / name
        bad.write_bytes(make(sample.audio["audio-1"].read_bytes()))
        request["audio"][0]["source"] = str(bad)

    return change


def replace_video(film: MediaSpec) -> Change:
    """Use another video, with ten seconds of picture or sound for the sample's segments."""

    def change(request: dict[str, Any], sample: SampleFiles, folder: Path) -> None:
        request["video"] = str(film.write(folder / "drawn.mp4"))

    return change


def set_field(*place: str | int, value: Any) -> Change:
    """Change one value of the request."""

    def change(request: dict[str, Any], sample: SampleFiles, folder: Path) -> None:
        target: Any = request
        for step in place[:-1]:
            target = target[step]
        target[place[-1]] = value

    return change


def corrupt_bytes(content: bytes) -> bytes:
    spoilt = bytearray(content)
    for place in range(len(spoilt) // 3, len(spoilt) * 2 // 3, 997):
        spoilt[place] ^= 0xFF
    return bytes(spoilt)


def image_bytes(_: bytes) -> bytes:
    return cv2.imencode(".png", np.zeros((90, 160, 3), np.uint8))[1].tobytes()


BAD_MEDIA: list[tuple[str, str, Change]] = [
    ("an empty video", "video", spoil_video(lambda _: b"")),
    ("a text as video", "video", spoil_video(lambda _: b"This is not a video. " * 500)),
    ("half a video", "video", spoil_video(lambda content: content[: len(content) // 2])),
    ("a video that lacks its last tenth", "video", spoil_video(lambda content: content[: len(content) * 9 // 10])),
    ("a video with bit rot", "video", spoil_video(corrupt_bytes)),
    ("a header without pictures", "video", spoil_video(lambda content: content[: content.index(b"mdat") + 8])),
    ("random bytes", "video", spoil_video(lambda content: np.random.default_rng(1).bytes(len(content)))),
    ("a picture called a video", "video", spoil_video(image_bytes)),
    ("a web page", "video", spoil_video(lambda _: b"<!doctype html><title>Sign in</title>")),
    ("only sound as video", "video", lambda request, sample, _: request.update(video=str(sample.audio["audio-1"]))),
    ("two videos one behind the other", "video", spoil_video(lambda content: content + content)),
    (
        "a picture that begins after the sound",
        "video",
        replace_video(MediaSpec(seconds=8, video_start=Fraction(2), audio_seconds=10)),
    ),
    ("a sound that goes on behind the picture", "video", replace_video(MediaSpec(seconds=9, audio_seconds=12))),
    ("a video that is not there", "video", set_field("video", value="/nowhere/talk.mp4")),
    ("an object that is not there", "video", set_field("video", value="s3://videojobs/nothing-here.mp4")),
    ("an empty clip", "audio[0].source", spoil_audio(lambda _: b"", "bad.ogg")),
    ("half a clip", "audio[0].source", spoil_audio(lambda content: content[: len(content) // 2], "half.ogg")),
    ("two clips one behind the other", "audio[0].source", spoil_audio(lambda content: content + content, "two.ogg")),
    ("a text as clip", "audio[0].source", spoil_audio(lambda _: b"la la la " * 99, "bad.wav")),
    ("a segment behind the video's end", "segments[1]", set_field("segments", 1, "endTime", value=10.5)),
    ("an area behind the video's end", "effects[0]", set_field("effects", 0, "end", value=12.5)),
    (
        "a crop behind the clip's end",
        "segments[0].audioInput",
        set_field("segments", 0, "audioInput", value={"refId": "audio-1", "startTime": 1.0, "endTime": 60.0}),
    ),
]


@pytest.mark.parametrize(
    ("path", "change"), [(path, change) for _, path, change in BAD_MEDIA], ids=[row[0] for row in BAD_MEDIA]
)
async def test_a_bad_file_is_rejected_by_field_before_payment(
    driver: StackDriver, job_id: str, tmp_path: Path, path: str, change: Change
) -> None:
    request = json.loads(json.dumps(driver.make_request()))
    change(request, driver.sample, tmp_path)
    job = await driver.run_in_process(request, job_id)
    assert (job.status, job.recovery_point) == (Status.FAILED, RecoveryPoint.OPENED)
    assert job.error_message is not None
    assert f" {path}" in job.error_message
    assert await driver.repository.list_submissions(job_id) == []
    assert await driver.vendor_submissions("sync_so", job_id) == []
    assert list(driver.store.list_keys(f"users/ada/jobs/{job_id}/")) == []


async def test_every_bad_request_is_rejected_before_download(
    driver: StackDriver, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIDEOJOBS_ALLOW_LOCAL_FILES")  # as on a server
    monkeypatch.delenv("VIDEOJOBS_ALLOW_PLAIN_HTTP")

    async def reject(number: int, row: RefusalCase) -> None:
        with pytest.raises(InvalidRequest):
            await admit.fn(f"{job_id}-{number}", change_request(row.changes), Connections())
        job = await driver.repository.get_job(f"{job_id}-{number}")
        assert job.status == Status.FAILED
        assert row.path in (job.error_message or "")

    assert len(ALL_CASES) > 60
    for first in range(0, len(ALL_CASES), 20):
        await asyncio.gather(*(reject(first + n, row) for n, row in enumerate(ALL_CASES[first : first + 20])))


async def test_several_bad_files_are_reported_at_once(driver: StackDriver, job_id: str, tmp_path: Path) -> None:
    request = json.loads(json.dumps(driver.make_request()))
    spoil_video(lambda _: b"")(request, driver.sample, tmp_path)
    spoil_audio(lambda _: b"", "bad.ogg")(request, driver.sample, tmp_path)
    job = await driver.run_in_process(request, job_id)
    assert job.error_message is not None
    assert job.error_message.startswith("The request has 2 problems: ")
    assert "video: " in job.error_message
    assert "audio[0].source: " in job.error_message


async def test_an_unreachable_link_is_retried_then_rejected(
    driver: StackDriver, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_ALLOW_PRIVATE_INPUTS", "true")
    job = await driver.run_in_process(driver.make_request(video="http://127.0.0.1:9/talk.mp4"), job_id)
    assert job.status == Status.FAILED
    assert (job.error_message or "").startswith("video: ")
    assert await driver.vendor_submissions("sync_so", job_id) == []
