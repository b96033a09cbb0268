"""The old endpoints: what comes in becomes a job with its files in the storage, or problems and nothing left behind."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import text

from tests.gateway.conftest import OpenDoor, until
from tests.gateway.forms import ALIAS, EFFECTS, PROCESS, SEGMENTS, a_key, a_sound, a_video, fields, files
from videojobs.ledger import VideoJob, engine_for
from videojobs.media.store import parse_uri

FIVE = ("job_id", "status", "progress", "message", "output_url")


async def job_of(door: OpenDoor, answer: httpx.Response) -> VideoJob:
    assert answer.status_code == 202, answer.text
    return await door.ledger.job(answer.json()["job_id"])


def problems(answer: httpx.Response) -> dict[str, str]:
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text
    return {item["field"]: item["message"] for item in answer.json()["problems"]}


def content(door: OpenDoor, uri: str) -> bytes:
    return door.store.open(parse_uri(uri)[1]).read()


async def rows_of(variables: dict[str, str], user: str) -> int:
    """Uploads that the door still has to see to."""
    async with engine_for(variables["DATABASE_URL"]).connect() as connection:
        query = text("SELECT count(*) FROM uploads WHERE user_id = :user")
        count: int = (await connection.execute(query, {"user": user})).scalar_one()
        return count


# ---- what becomes a job ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PROCESS, ALIAS])
async def test_a_form_becomes_a_job_with_its_files_in_the_storage_and_a_run(
    door: OpenDoor, http: httpx.AsyncClient, user: str, path: str
) -> None:
    answer = await http.post(path, files=files(), data=fields())
    job = await job_of(door, answer)
    assert (job.user_id, job.display_name, job.status) == (user, "A test", "pending")
    assert door.prefect.started == [job.id]
    assert job.processing_config["effects"] == EFFECTS
    assert [item["refId"] for item in job.request["audio"]] == ["audio-1", "audio-2"]
    assert job.request["segments"] == SEGMENTS
    assert content(door, job.request["video"]) == a_video()
    assert [content(door, item["source"]) for item in job.request["audio"]] == [a_sound(b"1"), a_sound(b"2")]
    assert all(key.startswith(f"users/{user}/jobs/{job.id}/inputs/") for key in door.left_of(user))
    told = answer.json()
    assert set(told) - {"sync_generation_id", "segments_count", "status_url"} == set(FIVE)
    assert (told["status"], told["sync_generation_id"], told["segments_count"]) == ("processing", None, 2)
    status = await http.get(answer.json()["status_url"])
    assert status.json() == {
        "job_id": job.id,
        "status": "processing",
        "progress": 0,
        "message": "Uploading files...",
        "output_url": None,
    }


async def test_fields_may_come_after_the_files(door: OpenDoor, http: httpx.AsyncClient) -> None:
    texts = [(name, (None, value.encode())) for name, value in fields().items()]
    await job_of(door, await http.post(PROCESS, files=[*files(), *texts]))


@pytest.mark.parametrize("effects", [json.dumps(json.dumps(EFFECTS)), json.dumps(EFFECTS), "", "[]", "null", None])
async def test_effects_may_be_encoded_twice_or_missing_and_are_stored_as_a_list(
    door: OpenDoor, http: httpx.AsyncClient, effects: str | None
) -> None:
    job = await job_of(door, await http.post(PROCESS, files=files(), data=fields(effects=effects)))
    assert job.processing_config["effects"] == (EFFECTS if effects and "erasure" in effects else [])


async def test_options_come_as_json_text_and_bad_ones_are_told_apart(door: OpenDoor, http: httpx.AsyncClient) -> None:
    wanted = {"model": "sync-3", "sync_mode": "cut_off"}
    job = await job_of(door, await http.post(PROCESS, files=files(), data=fields(options=wanted)))
    assert wanted.items() <= job.processing_config["options"].items()
    answer = await http.post(PROCESS, files=files(), data=fields(options={"model": "none", "speed": 1}))
    assert set(problems(answer)) == {"options.model", "options.speed"}


@pytest.mark.parametrize(
    ("names", "ref_ids"),
    [
        (("b.wav", "a.wav"), ("audio-1", "audio-2")),
        (("audio-2.wav", "audio-1.wav"), ("audio-2", "audio-1")),
        (("audio-2", "C:\\sounds\\audio-1.flac"), ("audio-2", "audio-1")),
    ],
)
async def test_sound_files_are_named_by_their_order_or_by_a_file_name_that_a_segment_asks_for(
    door: OpenDoor, http: httpx.AsyncClient, names: tuple[str, str], ref_ids: tuple[str, str]
) -> None:
    sounds = [("audio_files", (name, a_sound(name[:1].encode()))) for name in names]
    job = await job_of(door, await http.post(PROCESS, files=[files()[0], *sounds], data=fields()))
    assert tuple(item["refId"] for item in job.request["audio"]) == ref_ids


async def test_a_video_of_several_parts_arrives_byte_for_byte(door: OpenDoor, http: httpx.AsyncClient) -> None:
    video = a_video() + bytes(range(256)) * 50_000 + b"end"  # 12.8 MB: two parts and a piece
    job = await job_of(door, await http.post(PROCESS, files=files(video), data=fields()))
    assert content(door, job.request["video"]) == video


async def test_ten_forms_at_once_become_ten_jobs(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    video = a_video(6_000_000)
    sent = await asyncio.gather(*(http.post(PROCESS, files=files(video), data=fields()) for _ in range(10)))
    jobs = [await job_of(door, answer) for answer in sent]
    assert len({job.id for job in jobs}) == 10
    assert sorted(door.prefect.started) == sorted(job.id for job in jobs)
    assert len(door.left_of(user)) == 30
    assert all(len(content(door, job.request["video"])) == len(video) for job in jobs)


# ---- what is refused ---------------------------------------------------------------------------------------


async def test_all_problems_are_reported_at_once_under_the_names_of_the_form(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    answer = await http.post(
        PROCESS,
        files=[("file", ("talk.mp4", b"PK\x03\x04 a spreadsheet, really")), files()[1]],
        data=fields(
            segments_data=[{"startTime": 2, "endTime": 1, "audioInput": {"refId": "audio-1"}}],
            effects="[{",
            colour="red",
        ),
    )
    found = problems(answer)
    assert set(found) == {"file", "segments_data[0].endTime", "effects", "colour"}
    assert "does not begin like a video" in found["file"]
    assert door.left_of(user) == []
    assert door.prefect.started == []


@pytest.mark.parametrize(
    ("left_out", "field"), [("file", "file"), ("audio_files", "audio_files"), ("segments_data", "segments_data")]
)
async def test_what_is_missing_is_named(
    door: OpenDoor, http: httpx.AsyncClient, user: str, left_out: str, field: str
) -> None:
    data = fields(**{left_out: None} if left_out == "segments_data" else {})
    answer = await http.post(PROCESS, files=[item for item in files() if item[0] != left_out], data=data)
    assert "is required" in problems(answer)[field]
    assert door.left_of(user) == []


@pytest.mark.parametrize("broken", ["at a part's end", "in the middle of a file"])
async def test_of_a_form_that_breaks_off_nothing_is_left(
    door: OpenDoor, http: httpx.AsyncClient, user: str, broken: str, ground_variables: dict[str, str]
) -> None:
    """The client goes away without a word."""
    whole = httpx.Request("POST", "http://x", files=files(a_video(11_000_000)), data=fields())
    body = whole.read()
    cut = body.index(b'name="audio_files"') if broken == "at a part's end" else 8_000_000

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:cut]
        raise ConnectionError("the client is gone")

    with pytest.raises(ConnectionError):
        await http.post(PROCESS, content=pieces(), headers={"Content-Type": whole.headers["Content-Type"]})
    await until(lambda: door.front.room.is_empty)
    assert door.left_of(user) == []
    assert await rows_of(ground_variables, user) == 0


async def test_another_users_name_in_the_form_is_refused(http: httpx.AsyncClient, user: str) -> None:
    assert "user_id" in problems(await http.post(PROCESS, files=files(), data=fields(user_id="grace")))
    assert (await http.post(PROCESS, files=files(), data=fields(user_id=user))).status_code == 202


# ---- JSON --------------------------------------------------------------------------------------------------


def as_json(**changes: object) -> dict[str, object]:
    return {
        "video": "https://example.com/talk.mp4",
        "audio": [{"refId": f"audio-{i}", "source": f"https://example.com/{i}.wav"} for i in (1, 2)],
        "segments": SEGMENTS,
        "effects": EFFECTS,
    } | changes


async def test_a_request_in_json_becomes_a_job(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    once = a_key()
    answer = await http.post("/api/v1/jobs", json=as_json(), headers=once)
    job = await job_of(door, answer)
    assert (job.user_id, job.request["video"]) == (user, "https://example.com/talk.mp4")
    assert door.prefect.started == [job.id]
    again = await http.post("/api/v1/jobs", json=as_json(), headers=once)
    assert again.json()["job_id"] == job.id
    assert (await http.post("/api/v1/jobs", json=as_json(effects=[]), headers=once)).status_code == 409


@pytest.mark.parametrize(
    "video", ["/etc/passwd", "file:///etc/passwd", "s3://videojobs/users/grace/jobs/1/inputs/video.mp4", "ftp://x/y"]
)
async def test_what_is_not_the_clients_own_is_no_source(http: httpx.AsyncClient, video: str) -> None:
    answer = await http.post("/api/v1/jobs", json=as_json(video=video))
    assert set(problems(answer)) == {"video"}


async def test_answers_name_no_insides(http: httpx.AsyncClient) -> None:
    answer = await http.post(PROCESS, files=files(b"no video at all, really"), data=fields())
    assert not re.search(r"users/|s3://|Traceback|deployments", answer.text)
