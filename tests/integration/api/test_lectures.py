"""Lectures over real HTTP: created, listed, followed, downloaded, and submitted from a page."""

import json
import uuid
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pytest
from playwright.async_api import expect

from tests.integration.api.conftest import ApiServer
from tests.integration.api.test_job_forms import problems_by_field
from tests.support.browser_user import browser_client, lease_job, page_text
from tests.support.browsing import signed_in_page
from tests.support.multipart_forms import new_idempotency_headers, video_bytes
from videojobs.db import VideoJob
from videojobs.db.tokens import Scope
from videojobs.lecture.models import PdfDocument, SubtitleFiles
from videojobs.lecture.request import LectureRequest
from videojobs.lecture.slides import write_png
from videojobs.pipeline.facts import JobFacts, LectureDocuments, StoredInputs
from videojobs.states import JobKind, RecoveryPoint
from videojobs.storage.object_store import lecture_key, parse_uri

API: Final = "/api/v1"
LECTURES_URL: Final = f"{API}/lectures"
UPLOAD_FORM_URL: Final = f"{LECTURES_URL}/upload"
DOCUMENTS: Final = LectureDocuments(
    pdf=PdfDocument(file="lecture.pdf", pages=2, size=1, missing=[]),
    subtitles=SubtitleFiles(files=["subtitles.srt", "subtitles.vtt"], cues=3),
)
FACTS_BY_POINT: Final = {
    RecoveryPoint.FETCHED: JobFacts(inputs=StoredInputs(video="s3://videojobs/lecture.mp4")),
    RecoveryPoint.SLIDES_FOUND: JobFacts(slides=2),
    RecoveryPoint.DOCUMENTS_STORED: JobFacts(documents=DOCUMENTS),
}


def lecture_form_files() -> dict[str, tuple[str, bytes]]:
    return {"file": ("lecture.mp4", video_bytes())}


async def load_job(api: ApiServer, answer: httpx.Response) -> VideoJob:
    assert answer.status_code == 202, answer.text
    return await api.repository.get_job(answer.json()["job_id"])


async def create_lecture(api: ApiServer, user: str, name: str = "On water") -> VideoJob:
    request = LectureRequest(video="https://example.com/lecture.mp4", user_id=user, display_name=name)
    return await api.repository.create(f"lecture-{uuid.uuid4()}", request, actor="test")


async def advance_to_point(api: ApiServer, job: VideoJob, *points: RecoveryPoint) -> VideoJob:
    lease = await lease_job(api, job.id)
    for point in points:
        await api.repository.advance(lease, point, facts=FACTS_BY_POINT.get(point))
    return await api.repository.get_job(job.id)


async def create_finished_lecture(api: ApiServer, user: str) -> VideoJob:
    job = await create_lecture(api, user)
    return await advance_to_point(
        api,
        job,
        RecoveryPoint.FETCHED,
        RecoveryPoint.SLIDES_FOUND,
        RecoveryPoint.TRANSCRIBED,
        RecoveryPoint.DOCUMENTS_STORED,
    )


# ---- accepted lectures -------------------------------------------------------------------------------------


async def test_a_form_becomes_a_lecture_with_a_stored_file_and_a_run(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    options = {"slides": {"sensitivity": 0.5}}
    data = {"display_name": "On water", "options": json.dumps(options)}
    answer = await http.post(UPLOAD_FORM_URL, files=lecture_form_files(), data=data)
    job = await load_job(api, answer)
    assert (job.kind, job.is_pro_job, job.user_id, job.display_name) == (JobKind.LECTURE, False, user, "On water")
    assert job.request["options"]["slides"]["sensitivity"] == 0.5
    assert api.store.open(parse_uri(job.request["video"])[1]).read() == video_bytes()
    assert api.prefect.started == [job.id]
    status = (await http.get(answer.json()["status_url"])).json()
    assert status == {
        "job_id": job.id,
        "status": "in_queue",
        "progress": 0,
        "message": "Uploading files...",
        "error": None,
        "slides": None,
        "downloads": [],
    }


async def test_a_link_sent_twice_creates_one_lecture(api: ApiServer, http: httpx.AsyncClient) -> None:
    key, wanted = new_idempotency_headers(), {"video": "https://example.com/lecture.mp4", "display_name": "On water"}
    first, second = [await http.post(LECTURES_URL, json=wanted, headers=key) for _ in range(2)]
    job = await load_job(api, first)
    assert second.json()["job_id"] == job.id
    assert job.request["video"] == wanted["video"]
    other = await http.post(LECTURES_URL, json={**wanted, "display_name": "On air"}, headers=key)
    assert other.status_code == 409


async def test_all_problems_of_a_request_are_reported_at_once(http: httpx.AsyncClient) -> None:
    options = {"slides": {"sensitivity": 7, "speed": 1}, "speech": {"language": "English"}}
    found = problems_by_field(
        await http.post(LECTURES_URL, json={"video": "/etc/passwd", "options": options, "audio": []})
    )
    assert found.keys() == {
        "video", "audio", "options.slides.sensitivity", "options.slides.speed", "options.speech.language",
    }  # fmt: skip
    assert found["options.slides.sensitivity"] == "must be 0.98 or less"


async def test_another_users_upload_cannot_be_a_source(api: ApiServer, http: httpx.AsyncClient) -> None:
    found = problems_by_field(await http.post(LECTURES_URL, json={"video": "s3://videojobs/users/eve/lecture.mp4"}))
    assert "not an upload of yours" in found["video"]


@pytest.mark.parametrize(
    ("sent", "data", "field"),
    [
        ({}, {"display_name": "none"}, "file"),
        ({"file": ("notes.txt", b"no video at all, only some words" * 100)}, {}, "file"),
        (lecture_form_files(), {"segments_data": "[]"}, "segments_data"),
        (lecture_form_files(), {"options": "{"}, "options"),
        (lecture_form_files(), {"language": "English"}, "options.speech.language"),
        (lecture_form_files(), {"language": "en", "options": "{}"}, "language"),
    ],
)
async def test_a_bad_form_creates_no_lecture_and_stores_nothing(
    api: ApiServer, http: httpx.AsyncClient, user: str, sent: Any, data: dict[str, str], field: str
) -> None:
    # Without a file, httpx would send no multipart form.
    assert field in problems_by_field(
        await http.post(UPLOAD_FORM_URL, files=sent or {"user_id": (None, user)}, data=data)
    )
    assert api.stored_keys(user) == []
    assert api.prefect.started == []


# ---- visibility --------------------------------------------------------------------------------------------


async def test_users_list_their_own_lectures_and_admins_all(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    waiting, working = (
        await create_lecture(api, user),
        await advance_to_point(api, await create_lecture(api, user), RecoveryPoint.FETCHED),
    )
    foreign = await create_lecture(api, f"other-{user}")
    mine = (await http.get(LECTURES_URL)).json()["lectures"]
    assert [(each["job_id"], each["status"]) for each in mine] == [
        (working.id, "processing"),
        (waiting.id, "in_queue"),
    ]
    queued = (await http.get(LECTURES_URL, params={"status": "in_queue"})).json()["lectures"]
    assert [each["job_id"] for each in queued] == [waiting.id]
    async with await api.create_client("root", Scope.READ, Scope.ADMIN) as admin:
        everybodys = (await admin.get(LECTURES_URL, params={"limit": 3})).json()["lectures"]
    assert {each["job_id"] for each in everybodys} == {waiting.id, working.id, foreign.id}
    for path in (f"{LECTURES_URL}/{foreign.id}/status", f"{API}/jobs/{foreign.id}"):
        assert (await http.get(path)).status_code == 404


async def test_the_list_pages_by_cursor(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    made = [(await create_lecture(api, user)).id for _ in range(3)]
    first = (await http.get(LECTURES_URL, params={"limit": 2})).json()
    second = (await http.get(LECTURES_URL, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [each["job_id"] for each in first["lectures"] + second["lectures"]] == made[::-1]
    assert second["next_cursor"] is None


# ---- downloads ---------------------------------------------------------------------------------------------


async def test_downloads_appear_as_the_stages_finish(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    job = await advance_to_point(api, await create_lecture(api, user), RecoveryPoint.FETCHED, RecoveryPoint.TRANSCRIBED)
    path = f"{LECTURES_URL}/{job.id}/status"
    assert (await http.get(path)).json()["downloads"] == ["source"]
    done = await create_finished_lecture(api, user)
    status = (await http.get(f"{LECTURES_URL}/{done.id}/status")).json()
    assert status["downloads"] == ["source", "times", "slide", "pdf", "slides", "srt", "vtt"]
    assert status["slides"] == 2


@pytest.mark.parametrize(
    ("query", "name", "saved"),
    [
        ("what=pdf", "lecture.pdf", "On-water-pdf.pdf"),
        ("what=srt", "subtitles.srt", "On-water-srt.srt"),
        ("what=vtt", "subtitles.vtt", "On-water-vtt.vtt"),
        ("what=times", "times.json", "On-water-times.json"),
        ("what=slides", "slides.zip", "On-water-slides.zip"),
        ("what=slide&number=2", "slide-0002.png", "On-water-slide-0002.png"),
    ],
)
async def test_every_document_downloads_under_its_own_name(
    api: ApiServer, http: httpx.AsyncClient, user: str, query: str, name: str, saved: str
) -> None:
    job = await create_finished_lecture(api, user)
    api.store.put_bytes(lecture_key(user, job.id, name), name.encode(), "application/octet-stream")
    link = await http.get(f"{API}/jobs/{job.id}/download?{query}&save=true")
    assert link.status_code == 307
    async with httpx.AsyncClient() as anybody:
        answer = await anybody.get(link.headers["location"])
    assert answer.text == name
    assert saved in answer.headers["content-disposition"]


async def test_a_missing_slide_is_a_404(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    job = await create_finished_lecture(api, user)
    assert (await http.get(f"{API}/jobs/{job.id}/download?what=slide&number=9")).status_code == 404
    assert (await http.get(f"{API}/jobs/{job.id}/download?what=result")).status_code == 404


async def test_a_lecture_can_be_cancelled_and_retried(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    job = await create_lecture(api, user)
    assert (await http.post(f"{API}/jobs/{job.id}/cancel")).status_code == 202
    status = (await http.get(f"{LECTURES_URL}/{job.id}/status")).json()
    assert status["status"] == "failed"
    assert "Cancelled" in status["error"]
    assert (await http.post(f"{API}/jobs/{job.id}/retry")).status_code == 202
    assert job.id in api.prefect.retried


# ---- pages -------------------------------------------------------------------------------------------------


async def test_a_lecture_can_be_submitted_without_javascript(api: ApiServer, user: str) -> None:
    async with await browser_client(api, user) as http:
        assert "New lecture" in await page_text(http, "/jobs")
        assert "MKV" in await page_text(http, "/submit/lecture")
        data = {"display_name": "On water", "language": "", "without_speech": "continue"}
        answer = await http.post("/submit/lecture", files=lecture_form_files(), data=data)
        assert answer.status_code == 303, answer.text
        job = await api.repository.get_job(answer.headers["location"].removeprefix("/jobs/"))
        assert job.request["options"]["speech"]["without_speech"] == "continue"
        seen = await page_text(http, f"/jobs/{job.id}")
        assert "None: lectures are processed here" in seen
        assert "Segments" not in seen
        assert "lecture" in await page_text(http, "/jobs")


async def test_the_submit_page_lists_the_problems(api: ApiServer, user: str) -> None:
    async with await browser_client(api, user) as http:
        data = {"language": "English"}
        answer = await http.post("/submit/lecture", files={"file": ("a.txt", b"words" * 500)}, data=data)
    assert answer.status_code == 422
    assert "is not a video" in answer.text
    assert "letters of a language" in answer.text


async def test_a_lecture_page_offers_documents_and_shows_slides(api: ApiServer, user: str) -> None:
    job = await create_finished_lecture(api, user)
    async with await browser_client(api, user) as http:
        page = (await http.get(f"/jobs/{job.id}")).text
    assert [words for words in ("PDF", "Subtitles (SRT)", "Subtitles (VTT)", "Slides (ZIP)") if words not in page] == []
    assert page.count("what=slide&amp;number=") == 4
    assert "The PDF and the subtitles are stored." in page


async def test_a_parked_lecture_offers_no_resubmission(api: ApiServer, user: str) -> None:
    job = await create_lecture(api, user)
    await api.repository.park(await lease_job(api, job.id), "5 runs in a row ended at the recovery point")
    async with await browser_client(api, "boss", Scope.ADMIN) as http:
        seen = await page_text(http, f"/jobs/{job.id}")
    assert "retry continues" in seen
    assert [word for word in ("adopt", "resubmit", "bought") if word in seen] == []


@pytest.mark.browser
async def test_slides_are_shown_as_soon_as_they_are_detected(api: ApiServer, user: str, tmp_path: Path) -> None:
    job = await create_lecture(api, user)
    lease = await lease_job(api, job.id)
    await api.repository.advance(lease, RecoveryPoint.FETCHED, facts=FACTS_BY_POINT[RecoveryPoint.FETCHED])
    api.store.put_bytes("lecture.mp4", b"no video, but there", "video/mp4")
    for number in (1, 2):
        write_png(tmp_path / "slide.png", np.full((90, 160, 3), 60 * number, np.uint8))
        key = lecture_key(job.user_id, job.id, f"slide-{number:04}.png")
        api.store.put_file(key, tmp_path / "slide.png", "image/png")
    async with signed_in_page(api.base_url, await api.create_token(user)) as page:
        await page.goto(f"{api.base_url}/jobs/{job.id}")
        await expect(page.get_by_text("not known yet")).to_be_visible()
        await api.repository.advance(
            lease, RecoveryPoint.SLIDES_FOUND, facts=FACTS_BY_POINT[RecoveryPoint.SLIDES_FOUND]
        )
        await expect(page.get_by_role("img", name="Slide 2")).to_be_visible()
        await expect(page.get_by_text("not known yet")).to_be_hidden()
