"""The old endpoints: what comes in becomes a job with its files in the storage, or problems and nothing left behind."""

import asyncio
import json
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.gateway.conftest import OpenDoor, opened, until
from tests.gateway.forms import ALIAS, EFFECTS, PROCESS, SEGMENTS, a_sound, a_video, fields, files
from tests.media.conftest import s3_client
from videojobs.errors import LedgerUnavailable
from videojobs.ledger import Ledger, VideoJob, engine_for
from videojobs.media.store import ObjectStore, parse_uri


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
    assert set(answer.json()) == {"job_id", "status", "progress", "message", "output_url", "status_url"}
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


# ---- sent again --------------------------------------------------------------------------------------------


def key() -> dict[str, str]:
    return {"Idempotency-Key": f"order-{uuid.uuid4()}"}


async def test_a_repeated_post_gives_the_first_job_and_leaves_no_second_copy_of_its_files(
    door: OpenDoor, http: httpx.AsyncClient, user: str, ground_variables: dict[str, str]
) -> None:
    once = key()
    first = await http.post(PROCESS, files=files(), data=fields(), headers=once)
    again = await http.post(ALIAS, files=files(), data=fields(effects=json.dumps(json.dumps(EFFECTS))), headers=once)
    assert first.json()["job_id"] == again.json()["job_id"]
    assert len(door.left_of(user)) == 3
    assert await rows_of(ground_variables, user) == 0


async def test_a_key_posted_five_times_at_the_same_instant_is_one_job(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    once = key()
    sent = await asyncio.gather(*(http.post(PROCESS, files=files(), data=fields(), headers=once) for _ in range(5)))
    assert [answer.status_code for answer in sent] == [202] * 5
    assert len({answer.json()["job_id"] for answer in sent}) == 1
    assert len(door.left_of(user)) == 3


@pytest.mark.parametrize("change", ["another video", "another name"])
async def test_a_key_with_another_request_is_a_conflict(
    door: OpenDoor, http: httpx.AsyncClient, user: str, change: str
) -> None:
    once = key()
    await http.post(PROCESS, files=files(), data=fields(), headers=once)
    other: dict[str, Any] = {"files": files(a_video(2001))} if change == "another video" else {"files": files()}
    data = fields(display_name="B") if change == "another name" else fields()
    answer = await http.post(PROCESS, data=data, headers=once, **other)
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert len(door.left_of(user)) == 3


# ---- while something is away -------------------------------------------------------------------------------


async def test_while_prefect_is_away_nothing_is_taken_in(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    door.prefect.away_before = True
    answer = await http.post(PROCESS, files=files(), data=fields())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert door.left_of(user) == []


async def test_a_job_that_is_on_the_books_when_prefect_goes_away_is_accepted_and_started_later(
    door: OpenDoor, http: httpx.AsyncClient
) -> None:
    door.prefect.away_after = True
    job = await job_of(door, await http.post(PROCESS, files=files(), data=fields()))
    assert door.prefect.started == []
    door.prefect.away_after = False
    await until(lambda: job.id in door.prefect.started)


async def test_after_a_restart_the_door_starts_what_the_one_before_had_taken_in(
    door: OpenDoor, http: httpx.AsyncClient, ground_variables: dict[str, str]
) -> None:
    door.prefect.away_after = True
    job = await job_of(door, await http.post(PROCESS, files=files(), data=fields()))
    with opened(ground_variables, start_again_seconds=0.1) as next_door:
        await until(lambda: job.id in next_door.prefect.started)
    door.prefect.away_after = False
    await until(lambda: job.id in door.prefect.started)  # the first door asks too, and Prefect has one run


class Forgetful(Ledger):
    """Opens the job, and its first answer gets lost on the way."""

    lost = 0

    async def open(self, *args: Any, **more: Any) -> VideoJob:
        job = await super().open(*args, **more)
        if not Forgetful.lost:
            Forgetful.lost += 1
            raise LedgerUnavailable("the connection broke off after the commit")
        return job


async def test_a_commit_whose_answer_gets_lost_is_one_job_with_its_files(
    door: OpenDoor,
    http: httpx.AsyncClient,
    user: str,
    ground_variables: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def forgetful() -> Ledger:
        return Forgetful(engine_for(ground_variables["DATABASE_URL"]))

    monkeypatch.setattr(door.ground, "ledger", forgetful)
    job = await job_of(door, await http.post(PROCESS, files=files(), data=fields()))
    assert Forgetful.lost == 1
    assert content(door, job.request["video"]) == a_video()
    assert len(await door.ledger.jobs_of(user, limit=10)) == 1


async def test_while_the_storage_is_away_a_client_is_asked_to_come_again(
    door: OpenDoor, http: httpx.AsyncClient, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = ObjectStore(s3_client(1, "key", "secret"), "videojobs")  # nothing listens on that port

    async def store(job: VideoJob | None = None) -> ObjectStore:
        return away

    monkeypatch.setattr(door.ground, "store", store)
    answer = await http.post(PROCESS, files=files(), data=fields())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert (await door.ledger.jobs_of(user, limit=10)) == []


# ---- JSON --------------------------------------------------------------------------------------------------


def as_json(**changes: object) -> dict[str, object]:
    return {
        "video": "https://example.com/talk.mp4",
        "audio": [{"refId": f"audio-{i}", "source": f"https://example.com/{i}.wav"} for i in (1, 2)],
        "segments": SEGMENTS,
        "effects": EFFECTS,
    } | changes


async def test_a_request_in_json_becomes_a_job(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    once = key()
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
