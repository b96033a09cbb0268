"""The basic editor of the old system: one audio for a whole video, text removal alone, batches of videos."""

import json
from typing import Any, Final

import httpx
import pytest

from tests.integration.api.conftest import ApiServer, run_api_server
from tests.support.editor_client import make_area
from tests.support.multipart_forms import audio_bytes, new_idempotency_headers, video_bytes
from videojobs.db import VideoJob
from videojobs.storage.object_store import parse_uri

WHOLE_VIDEO_URL: Final = "/api/v1/video-editors/sync-process"
TEXT_REMOVAL_URL: Final = "/api/v1/jobs/direct-process"
BATCH_URL: Final = "/api/v1/jobs/batch-process"
VIDEO: Final = ("file", ("my talk.mp4", video_bytes()))
AUDIO: Final = ("audio", ("my voice.mp3", audio_bytes(b"1")))
NAME: Final = ("display_name", (None, b"Video Processing - my talk.mp4"))
CALLBACK_URL: Final = "https://hooks.example.com/videojobs"
FILE_BY_NUMBER: Final = [("files", (f"clip {number}.mp4", video_bytes(2000 + number))) for number in range(3)]


def areas_part(*areas: dict[str, Any]) -> tuple[str, tuple[None, bytes]]:
    return "effects", (None, json.dumps(areas).encode())


async def submit(api: ApiServer, http: httpx.AsyncClient, url: str, *parts: Any) -> tuple[dict[str, Any], VideoJob]:
    answer = await http.post(url, files=[VIDEO, NAME, *parts])
    assert answer.is_success, answer.text
    body: dict[str, Any] = answer.json()
    return body, await api.repository.get_job(body["job_id"])


async def refused(http: httpx.AsyncClient, url: str, *parts: Any) -> str:
    answer = await http.post(url, files=list(parts))
    assert answer.status_code == 422, answer.text
    return "; ".join(f"{problem['field']}: {problem['message']}" for problem in answer.json()["problems"])


# ---- one audio for the whole video -----------------------------------------------------------------------------


async def test_one_audio_is_for_the_whole_video(api: ApiServer, http: httpx.AsyncClient) -> None:
    body, job = await submit(api, http, WHOLE_VIDEO_URL, AUDIO)
    assert {**body, "message": ""} == {
        "job_id": job.id,
        "filename": "my talk.mp4",
        "message": "",
        "status": "processing",
        "sync_generation_id": None,
    }
    request = job.video_request
    assert (request.options.model, request.options.sync_mode) == ("lipsync-2", "loop")
    assert (request.segments, request.removes_whole_frame, len(request.stages)) == ([], True, 2)
    [sound] = request.audio
    assert api.store.open(parse_uri(sound.source)[1]).read() == AUDIO[1][1]
    assert job.display_name == "Video Processing - my talk.mp4"
    assert api.prefect.started == [job.id]


async def test_areas_go_to_text_removal_after_the_audio(api: ApiServer, http: httpx.AsyncClient) -> None:
    _, job = await submit(api, http, WHOLE_VIDEO_URL, AUDIO, areas_part(make_area(x=-0.0000119)))
    assert job.processing_config["effects"][0]["x"] == 0
    assert not job.video_request.removes_whole_frame


async def test_the_audio_is_required_and_sent_once(http: httpx.AsyncClient) -> None:
    assert "audio: is required: send the new speech" in await refused(http, WHOLE_VIDEO_URL, VIDEO)
    assert "audio: is given twice" in await refused(http, WHOLE_VIDEO_URL, VIDEO, AUDIO, AUDIO)
    wrong = ("audio", ("voice.aac", b"\xff\xf1\x50\x80\x2e\x7f\xfc\xda" + b"a" * 100))
    detail = await refused(http, WHOLE_VIDEO_URL, VIDEO, wrong)
    assert "audio: is not an audio file in a supported format; send one of FLAC, MP3" in detail


# ---- text removal alone ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parts", [[], [("effects", (None, b""))], [("effects", (None, b'"[]"'))], [areas_part(make_area(start=5, end=5))]]
)
async def test_without_areas_text_goes_from_the_whole_frame(
    api: ApiServer, http: httpx.AsyncClient, parts: list[Any]
) -> None:
    body, job = await submit(api, http, TEXT_REMOVAL_URL, *parts)
    expected = {"filename": "my talk.mp4", "status": "processing", "ghostcut_task_id": None}
    assert expected.items() <= body.items()
    assert set(body) == {"job_id", "filename", "message", "status", "ghostcut_task_id"}
    assert (job.request["text_removal"], job.has_lip_sync) == ("whole_frame", False)
    assert job.segments_data["total_segments"] == 0


async def test_areas_are_taken_as_in_the_pro_form(api: ApiServer, http: httpx.AsyncClient) -> None:
    _, job = await submit(api, http, TEXT_REMOVAL_URL, areas_part(make_area(start=-0.257), make_area("protection")))
    assert [(area["kind"], area["start"]) for area in job.processing_config["effects"]] == [
        ("erasure", 0),
        ("protection", 4.1),
    ]
    assert not job.video_request.removes_whole_frame
    [opened] = (await http.get(f"/api/v1/jobs/{job.id}")).json()["timeline"]
    assert "effects[0].startTime: -0.257 s is before the video" in opened["message"]


async def test_only_protection_means_the_whole_frame_but_it(api: ApiServer, http: httpx.AsyncClient) -> None:
    _, job = await submit(api, http, TEXT_REMOVAL_URL, areas_part(make_area("protection")))
    assert job.video_request.removes_whole_frame
    assert len(job.processing_config["effects"]) == 1


async def test_mistakes_are_named_and_nothing_is_stored(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    detail = await refused(http, TEXT_REMOVAL_URL, VIDEO, AUDIO, areas_part(make_area(x=0.9)))
    assert "audio: is not a field of this form" in detail
    assert "file: is required" in await refused(http, TEXT_REMOVAL_URL, NAME)
    assert "effects: is not valid JSON" in await refused(http, TEXT_REMOVAL_URL, VIDEO, ("effects", (None, b"[{")))
    webm = ("file", ("talk.webm", b"\x1a\x45\xdf\xa3" + b"v" * 100))
    assert "send one of AVI, MOV, MP4" in await refused(http, TEXT_REMOVAL_URL, webm)
    assert api.stored_keys(user) == []


@pytest.mark.parametrize(("url", "parts"), [(TEXT_REMOVAL_URL, []), (WHOLE_VIDEO_URL, [AUDIO])])
async def test_the_forms_take_a_callback_address(
    api: ApiServer, http: httpx.AsyncClient, url: str, parts: list[Any]
) -> None:
    _, job = await submit(api, http, url, *parts, ("callback_url", (None, CALLBACK_URL.encode())))
    assert job.request["callback_url"] == CALLBACK_URL
    private = ("callback_url", (None, b"https://127.0.0.1/"))
    assert "callback_url: must lead to a host" in await refused(http, url, VIDEO, *parts, private)


async def test_each_mistake_in_a_form_has_its_code(http: httpx.AsyncClient) -> None:
    answer = await http.post(WHOLE_VIDEO_URL, files=[VIDEO, AUDIO, AUDIO, ("user_id", (None, b"ada"))])
    assert {problem["field"]: problem["code"] for problem in answer.json()["problems"]} == {
        "audio": "duplicate",
        "user_id": "wrong_user",
    }
    answer = await http.post(WHOLE_VIDEO_URL, files=[VIDEO])
    assert [problem["code"] for problem in answer.json()["problems"]] == ["required"]


async def test_the_job_has_the_fields_of_the_old_rows(http: httpx.AsyncClient) -> None:
    created = (await http.post(TEXT_REMOVAL_URL, files=[VIDEO])).json()
    row = (await http.get(f"/api/v1/jobs/{created['job_id']}")).json()
    assert (row["original_filename"], row["is_pro_job"], row["segments_data"]) == (
        "my talk.mp4",
        False,  # the chip PRO is for jobs of the Pro editor
        {"segments": [], "total_segments": 0},
    )


async def test_a_repeated_key_returns_the_first_job(http: httpx.AsyncClient) -> None:
    headers = new_idempotency_headers()
    answers = [await http.post(TEXT_REMOVAL_URL, files=[VIDEO, NAME], headers=headers) for _ in range(2)]
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    other = await http.post(WHOLE_VIDEO_URL, files=[VIDEO, NAME, AUDIO], headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "request_conflict")


async def test_the_status_has_the_old_field_names(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    _, job = await submit(api, http, TEXT_REMOVAL_URL)
    status = (await http.get(f"/api/v1/jobs/job-status/{job.id}")).json()
    assert (status["job_id"], status["status"], status["progress"]) == (job.id, "processing", 0)
    assert set(status) == {
        *("job_id", "status", "progress", "message"),
        *("ghostcut_task_id", "created_at", "completed_at"),
    }
    assert (await http.get("/api/v1/jobs/job-status/unknown")).status_code == 404
    async with httpx.AsyncClient(base_url=api.base_url) as stranger:
        assert (await stranger.get(f"/api/v1/jobs/job-status/{job.id}")).status_code == 401


# ---- batches -----------------------------------------------------------------------------------------------------


async def test_each_video_of_a_batch_becomes_a_job(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    answer = await http.post(BATCH_URL, files=FILE_BY_NUMBER)
    body = answer.json()
    assert (answer.status_code, body["total_files"]) == (202, 3)
    assert body["message"] == "3 of 3 files are being processed."
    assert [row["filename"] for row in body["jobs"]] == ["clip 0.mp4", "clip 1.mp4", "clip 2.mp4"]
    jobs = [await api.repository.get_job(row["job_id"]) for row in body["jobs"]]
    assert [job.request["text_removal"] for job in jobs] == ["whole_frame"] * 3
    for job, (_, (_, content)) in zip(jobs, FILE_BY_NUMBER, strict=True):
        key = parse_uri(job.request["video"])[1]
        assert f"/{job.id}/" in key
        assert api.store.open(key).read() == content
    assert sorted(api.prefect.started) == sorted(job.id for job in jobs)
    assert len(api.stored_keys(user)) == 3
    assert [job.source_file_name for job in jobs] == ["clip 0.mp4", "clip 1.mp4", "clip 2.mp4"]


async def test_all_jobs_of_a_batch_have_its_callback(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    callback = ("callback_url", (None, CALLBACK_URL.encode()))
    rows = (await http.post(BATCH_URL, files=[*FILE_BY_NUMBER[:2], callback])).json()["jobs"]
    jobs = [await api.repository.get_job(row["job_id"]) for row in rows]
    assert [job.request["callback_url"] for job in jobs] == [CALLBACK_URL] * 2
    private = ("callback_url", (None, b"https://127.0.0.1/"))
    assert (await refused(http, BATCH_URL, FILE_BY_NUMBER[0], private)).startswith("callback_url: must lead to a host")
    assert len(api.stored_keys(user)) == 2


async def test_a_bad_file_does_not_stop_the_batch(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    bad = [("files", ("notes.txt", b"text" * 100)), ("files", ("empty.mp4", b""))]
    body = (await http.post(BATCH_URL, files=[bad[0], FILE_BY_NUMBER[0], bad[1], FILE_BY_NUMBER[1]])).json()
    assert [(row["job_id"] == "", row["status"]) for row in body["jobs"]] == [
        *((True, "failed"), (False, "processing")),
        *((True, "failed"), (False, "processing")),
    ]
    assert "files[0] is not a video in a supported format" in body["jobs"][0]["message"]
    assert "files[2] is empty or too short" in body["jobs"][2]["message"]
    assert (body["total_files"], body["message"]) == (4, "2 of 4 files are being processed.")
    assert len(api.stored_keys(user)) == 2


async def test_a_repeated_batch_returns_the_same_jobs(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    headers = new_idempotency_headers()
    answers = [(await http.post(BATCH_URL, files=FILE_BY_NUMBER, headers=headers)).json() for _ in range(2)]
    assert answers[0]["jobs"] == answers[1]["jobs"]
    assert len(api.stored_keys(user)) == 3
    changed = [FILE_BY_NUMBER[1], *FILE_BY_NUMBER[1:]]
    [first, *_] = (await http.post(BATCH_URL, files=changed, headers=headers)).json()["jobs"]
    assert (first["job_id"], first["status"]) == ("", "failed")
    assert "belongs to another request" in first["message"]


async def test_an_oversized_file_of_a_batch_fails_alone(
    service_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setenv("VIDEOJOBS_LIMIT_MAX_VIDEO_BYTES", "6000000")
    with run_api_server(service_variables, max_batch_files=2) as api:
        async with await api.create_client(user) as http:
            large = ("files", ("large.mp4", video_bytes(12_000_000)))
            body = (await http.post(BATCH_URL, files=[large, FILE_BY_NUMBER[0]])).json()
            assert [row["status"] for row in body["jobs"]] == ["failed", "processing"]
            assert "files[0] is too large; the limit is 6000000 bytes" in body["jobs"][0]["message"]
            assert len(api.stored_keys(user)) == 1
            too_many = await http.post(BATCH_URL, files=FILE_BY_NUMBER)
            assert (too_many.status_code, too_many.json()["code"]) == (413, "body_too_large")
            assert len(api.stored_keys(user)) == 1


async def test_a_batch_without_files_is_refused(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    assert "files: is required" in await refused(http, BATCH_URL, ("display_name", (None, b"x")))
    text = ("files", (None, b"{}"))
    assert "files[1]: is not a file" in await refused(http, BATCH_URL, FILE_BY_NUMBER[0], text)
    assert api.stored_keys(user) == []


async def test_only_post_is_allowed_at_the_forms_addresses(http: httpx.AsyncClient) -> None:
    for url in (TEXT_REMOVAL_URL, BATCH_URL, WHOLE_VIDEO_URL):
        answer = await http.put(url)
        assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
