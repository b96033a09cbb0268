"""The old endpoints: a form becomes a job with its files in the store, or is rejected with nothing left behind."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

import httpx
import pytest
from sqlalchemy import text

from tests.integration.api.conftest import ApiServer, wait_until
from tests.support.multipart_forms import (
    ALIAS_URL,
    EFFECTS,
    PROCESS_URL,
    SEGMENTS,
    audio_bytes,
    form_fields,
    form_files,
    new_idempotency_headers,
    video_bytes,
)
from videojobs.db import VideoJob, get_engine
from videojobs.storage.object_store import parse_uri

STATUS_FIELDS = ("job_id", "status", "progress", "message", "output_url")


async def load_job(api: ApiServer, answer: httpx.Response) -> VideoJob:
    assert answer.status_code == 202, answer.text
    return await api.repository.get_job(answer.json()["job_id"])


def problems_by_field(answer: httpx.Response) -> dict[str, str]:
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), answer.text
    return {item["field"]: item["message"] for item in answer.json()["problems"]}


def stored_bytes(api: ApiServer, uri: str) -> bytes:
    return api.store.open(parse_uri(uri)[1]).read()


async def pending_upload_count(variables: dict[str, str], user: str) -> int:
    """The number of uploads that the API still has to clean up."""
    async with get_engine(variables["DATABASE_URL"]).connect() as connection:
        query = text("SELECT count(*) FROM uploads WHERE user_id = :user")
        count: int = (await connection.execute(query, {"user": user})).scalar_one()
        return count


# ---- accepted forms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [PROCESS_URL, ALIAS_URL])
async def test_a_form_becomes_a_job_with_stored_files_and_a_run(
    api: ApiServer, http: httpx.AsyncClient, user: str, path: str
) -> None:
    answer = await http.post(path, files=form_files(), data=form_fields())
    job = await load_job(api, answer)
    assert (job.user_id, job.display_name, job.status) == (user, "A test", "pending")
    assert api.prefect.started == [job.id]
    assert job.processing_config["effects"] == EFFECTS
    assert [item["refId"] for item in job.request["audio"]] == ["audio-1", "audio-2"]
    assert job.request["segments"] == SEGMENTS
    assert stored_bytes(api, job.request["video"]) == video_bytes()
    assert [stored_bytes(api, item["source"]) for item in job.request["audio"]] == [
        audio_bytes(b"1"),
        audio_bytes(b"2"),
    ]
    assert all(key.startswith(f"users/{user}/jobs/{job.id}/inputs/") for key in api.stored_keys(user))
    told = answer.json()
    assert set(told) - {"sync_generation_id", "segments_count", "status_url"} == set(STATUS_FIELDS)
    assert (told["status"], told["sync_generation_id"], told["segments_count"]) == ("processing", None, 2)
    status = await http.get(answer.json()["status_url"])
    assert status.json() == {
        "job_id": job.id,
        "status": "processing",
        "progress": 0,
        "message": "Uploading files...",
        "output_url": None,
        "segments_data": job.segments_data,
        "created_at": job.created_at.strftime("%Y-%m-%dT%H:%M:%S.%f"),
        "completed_at": None,
    }


async def test_form_fields_may_follow_the_files(api: ApiServer, http: httpx.AsyncClient) -> None:
    texts = [(name, (None, value.encode())) for name, value in form_fields().items()]
    await load_job(api, await http.post(PROCESS_URL, files=[*form_files(), *texts]))


@pytest.mark.parametrize("effects", [json.dumps(json.dumps(EFFECTS)), json.dumps(EFFECTS), "", "[]", "null", None])
async def test_double_encoded_effects_are_stored_as_a_list(
    api: ApiServer, http: httpx.AsyncClient, effects: str | None
) -> None:
    job = await load_job(api, await http.post(PROCESS_URL, files=form_files(), data=form_fields(effects=effects)))
    assert job.processing_config["effects"] == (EFFECTS if effects and "erasure" in effects else [])


async def test_options_are_json_text_with_distinct_errors(api: ApiServer, http: httpx.AsyncClient) -> None:
    wanted = {"model": "sync-3", "sync_mode": "cut_off"}
    job = await load_job(api, await http.post(PROCESS_URL, files=form_files(), data=form_fields(options=wanted)))
    assert wanted.items() <= job.processing_config["options"].items()
    answer = await http.post(PROCESS_URL, files=form_files(), data=form_fields(options={"model": "none", "speed": 1}))
    assert set(problems_by_field(answer)) == {"options.model", "options.speed"}


@pytest.mark.parametrize(
    ("names", "ref_ids"),
    [
        (("b.wav", "a.wav"), ("audio-1", "audio-2")),
        (("audio-2.wav", "audio-1.wav"), ("audio-2", "audio-1")),
        (("audio-2", "C:\\sounds\\audio-1.flac"), ("audio-2", "audio-1")),
    ],
)
async def test_audio_files_map_to_ref_ids_by_order_or_name(
    api: ApiServer, http: httpx.AsyncClient, names: tuple[str, str], ref_ids: tuple[str, str]
) -> None:
    sounds = [("audio_files", (name, audio_bytes(name[:1].encode()))) for name in names]
    job = await load_job(api, await http.post(PROCESS_URL, files=[form_files()[0], *sounds], data=form_fields()))
    assert tuple(item["refId"] for item in job.request["audio"]) == ref_ids


async def test_a_multipart_video_is_stored_byte_for_byte(api: ApiServer, http: httpx.AsyncClient) -> None:
    video = video_bytes() + bytes(range(256)) * 50_000 + b"end"  # 12.8 MB: two full parts and a remainder
    job = await load_job(api, await http.post(PROCESS_URL, files=form_files(video), data=form_fields()))
    assert stored_bytes(api, job.request["video"]) == video


async def test_ten_concurrent_forms_become_ten_jobs(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    video = video_bytes(6_000_000)
    sent = await asyncio.gather(
        *(http.post(PROCESS_URL, files=form_files(video), data=form_fields()) for _ in range(10))
    )
    jobs = [await load_job(api, answer) for answer in sent]
    assert len({job.id for job in jobs}) == 10
    assert sorted(api.prefect.started) == sorted(job.id for job in jobs)
    assert len(api.stored_keys(user)) == 30
    assert all(len(stored_bytes(api, job.request["video"])) == len(video) for job in jobs)


# ---- rejected forms ----------------------------------------------------------------------------------------


async def test_all_problems_are_reported_at_once_by_form_field(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    answer = await http.post(
        PROCESS_URL,
        files=[("file", ("talk.mp4", b"PK\x03\x04 a spreadsheet, really")), form_files()[1]],
        data=form_fields(
            segments_data=[{"startTime": 2, "endTime": 1, "audioInput": {"refId": "audio-1"}}],
            effects="[{",
            colour="red",
        ),
    )
    found = problems_by_field(answer)
    assert set(found) == {"file", "segments_data[0].endTime", "effects", "colour"}
    assert "is not a video" in found["file"]
    assert api.stored_keys(user) == []
    assert api.prefect.started == []


@pytest.mark.parametrize(
    ("left_out", "field"), [("file", "file"), ("audio_files", "audio_files"), ("segments_data", "segments_data")]
)
async def test_missing_form_fields_are_named(
    api: ApiServer, http: httpx.AsyncClient, user: str, left_out: str, field: str
) -> None:
    data = form_fields(**{left_out: None} if left_out == "segments_data" else {})
    answer = await http.post(PROCESS_URL, files=[item for item in form_files() if item[0] != left_out], data=data)
    assert "is required" in problems_by_field(answer)[field]
    assert api.stored_keys(user) == []


@pytest.mark.parametrize("cut_at", ["at a part's end", "in the middle of a file"])
async def test_an_aborted_form_leaves_nothing_stored(
    api: ApiServer, http: httpx.AsyncClient, user: str, cut_at: str, service_variables: dict[str, str]
) -> None:
    """The client disconnects without notice."""
    whole = httpx.Request("POST", "http://x", files=form_files(video_bytes(11_000_000)), data=form_fields())
    body = whole.read()
    cut = body.index(b'name="audio_files"') if cut_at == "at a part's end" else 8_000_000

    async def pieces() -> AsyncIterator[bytes]:
        yield body[:cut]
        raise ConnectionError("the client is gone")

    with pytest.raises(ConnectionError):
        await http.post(PROCESS_URL, content=pieces(), headers={"Content-Type": whole.headers["Content-Type"]})
    await wait_until(lambda: api.app_state.upload_pool.is_empty)
    assert api.stored_keys(user) == []
    assert await pending_upload_count(service_variables, user) == 0


async def test_another_users_name_in_the_form_is_rejected(http: httpx.AsyncClient, user: str) -> None:
    assert "user_id" in problems_by_field(
        await http.post(PROCESS_URL, files=form_files(), data=form_fields(user_id="grace"))
    )
    assert (await http.post(PROCESS_URL, files=form_files(), data=form_fields(user_id=user))).status_code == 202


# ---- JSON --------------------------------------------------------------------------------------------------


def json_request(**changes: object) -> dict[str, object]:
    return {
        "video": "https://example.com/talk.mp4",
        "audio": [{"refId": f"audio-{i}", "source": f"https://example.com/{i}.wav"} for i in (1, 2)],
        "segments": SEGMENTS,
        "effects": EFFECTS,
    } | changes


async def test_a_request_in_json_becomes_a_job(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    once = new_idempotency_headers()
    answer = await http.post("/api/v1/jobs", json=json_request(), headers=once)
    job = await load_job(api, answer)
    assert (job.user_id, job.request["video"]) == (user, "https://example.com/talk.mp4")
    assert api.prefect.started == [job.id]
    again = await http.post("/api/v1/jobs", json=json_request(), headers=once)
    assert again.json()["job_id"] == job.id
    assert (await http.post("/api/v1/jobs", json=json_request(effects=[]), headers=once)).status_code == 409


@pytest.mark.parametrize(
    "video", ["/etc/passwd", "file:///etc/passwd", "s3://videojobs/users/grace/jobs/1/inputs/video.mp4", "ftp://x/y"]
)
async def test_a_foreign_object_is_rejected_as_a_source(http: httpx.AsyncClient, video: str) -> None:
    answer = await http.post("/api/v1/jobs", json=json_request(video=video))
    assert set(problems_by_field(answer)) == {"video"}


async def test_responses_contain_no_internals(http: httpx.AsyncClient) -> None:
    answer = await http.post(PROCESS_URL, files=form_files(b"no video at all, really"), data=form_fields())
    assert not re.search(r"users/|s3://|Traceback|deployments", answer.text)
