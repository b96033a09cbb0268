"""Bad input dies at the door: every kind is refused with its field named, before any vendor is asked (invariant 8)."""

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
from tests.media.films import Film
from tests.stack.conftest import Desk
from tests.unit.test_request_refusals import TABLE, Row, changed
from videojobs.errors import InvalidRequest
from videojobs.states import Point, Status

pytestmark = pytest.mark.usefixtures("here")

Change = Callable[[dict[str, Any], SampleFiles, Path], None]


def video(make: Callable[[bytes], bytes], name: str = "bad.mp4") -> Change:
    """The sample's video, spoilt."""

    def change(request: dict[str, Any], sample: SampleFiles, folder: Path) -> None:
        bad = folder / name
        bad.write_bytes(make(sample.video.read_bytes()))
        request["video"] = str(bad)

    return change


def audio(make: Callable[[bytes], bytes], name: str) -> Change:
    """The first clip, spoilt."""

    def change(request: dict[str, Any], sample: SampleFiles, folder: Path) -> None:
        bad = folder / name
        bad.write_bytes(make(sample.audio["audio-1"].read_bytes()))
        request["audio"][0]["source"] = str(bad)

    return change


def drawn(film: Film) -> Change:
    """Another video, with ten seconds of picture or sound for the sample's segments."""

    def change(request: dict[str, Any], sample: SampleFiles, folder: Path) -> None:
        request["video"] = str(film.write(folder / "drawn.mp4"))

    return change


def field(*place: str | int, to: Any) -> Change:
    """One value of the request."""

    def change(request: dict[str, Any], sample: SampleFiles, folder: Path) -> None:
        target: Any = request
        for step in place[:-1]:
            target = target[step]
        target[place[-1]] = to

    return change


def rotten(content: bytes) -> bytes:
    spoilt = bytearray(content)
    for place in range(len(spoilt) // 3, len(spoilt) * 2 // 3, 997):
        spoilt[place] ^= 0xFF
    return bytes(spoilt)


def a_picture(_: bytes) -> bytes:
    return cv2.imencode(".png", np.zeros((90, 160, 3), np.uint8))[1].tobytes()


MEDIA: list[tuple[str, str, Change]] = [
    ("an empty video", "video", video(lambda _: b"")),
    ("a text as video", "video", video(lambda _: b"This is not a video. " * 500)),
    ("half a video", "video", video(lambda content: content[: len(content) // 2])),
    ("a video that lacks its last tenth", "video", video(lambda content: content[: len(content) * 9 // 10])),
    ("a video with bit rot", "video", video(rotten)),
    ("a header without pictures", "video", video(lambda content: content[: content.index(b"mdat") + 8])),
    ("random bytes", "video", video(lambda content: np.random.default_rng(1).bytes(len(content)))),
    ("a picture called a video", "video", video(a_picture)),
    ("a web page", "video", video(lambda _: b"<!doctype html><title>Sign in</title>")),
    ("only sound as video", "video", lambda request, sample, _: request.update(video=str(sample.audio["audio-1"]))),
    ("two videos one behind the other", "video", video(lambda content: content + content)),
    (
        "a picture that begins after the sound",
        "video",
        drawn(Film(seconds=8, picture_start=Fraction(2), sound_seconds=10)),
    ),
    ("a sound that goes on behind the picture", "video", drawn(Film(seconds=9, sound_seconds=12))),
    ("a video that is not there", "video", field("video", to="/nowhere/talk.mp4")),
    ("an object that is not there", "video", field("video", to="s3://videojobs/nothing-here.mp4")),
    ("an empty clip", "audio[0].source", audio(lambda _: b"", "bad.ogg")),
    ("half a clip", "audio[0].source", audio(lambda content: content[: len(content) // 2], "half.ogg")),
    ("two clips one behind the other", "audio[0].source", audio(lambda content: content + content, "two.ogg")),
    ("a text as clip", "audio[0].source", audio(lambda _: b"la la la " * 99, "bad.wav")),
    ("a segment behind the video's end", "segments[1]", field("segments", 1, "endTime", to=10.5)),
    ("an area behind the video's end", "effects[0]", field("effects", 0, "end", to=12.5)),
    (
        "a crop behind the clip's end",
        "segments[0].audioInput",
        field("segments", 0, "audioInput", to={"refId": "audio-1", "startTime": 1.0, "endTime": 60.0}),
    ),
]


@pytest.mark.parametrize(
    ("path", "change"), [(path, change) for _, path, change in MEDIA], ids=[row[0] for row in MEDIA]
)
async def test_a_bad_file_is_refused_with_its_field_named_and_nothing_is_paid_or_stored(
    desk: Desk, job_id: str, tmp_path: Path, path: str, change: Change
) -> None:
    request = json.loads(json.dumps(desk.request()))
    change(request, desk.sample, tmp_path)
    job = await desk.run_here(request, job_id)
    assert (job.status, job.point) == (Status.FAILED, Point.OPENED)
    assert job.error_message is not None
    assert f" {path}" in job.error_message
    assert await desk.ledger.submissions(job_id) == []
    assert await desk.paid("sync_so", job_id) == []
    assert list(desk.store.keys(f"users/ada/jobs/{job_id}/")) == []


async def test_every_bad_request_of_the_table_is_refused_and_recorded_before_anything_is_fetched(
    desk: Desk, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VIDEOJOBS_ALLOW_LOCAL_FILES")  # as on a server
    monkeypatch.delenv("VIDEOJOBS_ALLOW_PLAIN_HTTP")

    async def refused(number: int, row: Row) -> None:
        with pytest.raises(InvalidRequest):
            await admit.fn(f"{job_id}-{number}", changed(row.changes), Connections())
        job = await desk.ledger.job(f"{job_id}-{number}")
        assert job.status == Status.FAILED
        assert row.path in (job.error_message or "")

    assert len(TABLE) > 60
    for first in range(0, len(TABLE), 20):
        await asyncio.gather(*(refused(first + n, row) for n, row in enumerate(TABLE[first : first + 20])))


async def test_several_bad_files_are_reported_at_once(desk: Desk, job_id: str, tmp_path: Path) -> None:
    request = json.loads(json.dumps(desk.request()))
    video(lambda _: b"")(request, desk.sample, tmp_path)
    audio(lambda _: b"", "bad.ogg")(request, desk.sample, tmp_path)
    job = await desk.run_here(request, job_id)
    assert job.error_message is not None
    assert job.error_message.startswith("The request has 2 problems: ")
    assert "video: " in job.error_message
    assert "audio[0].source: " in job.error_message


async def test_a_link_that_cannot_be_reached_is_tried_again_and_then_refused_with_its_field_named(
    desk: Desk, job_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIDEOJOBS_ALLOW_PRIVATE_INPUTS", "true")
    job = await desk.run_here(desk.request(video="http://127.0.0.1:9/talk.mp4"), job_id)
    assert job.status == Status.FAILED
    assert (job.error_message or "").startswith("video: ")
    assert await desk.paid("sync_so", job_id) == []
