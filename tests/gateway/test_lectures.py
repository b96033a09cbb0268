"""Lectures at the front door over real HTTP: taken in, listed, followed, downloaded, and sent from a page."""

import json
import uuid
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pytest
from playwright.async_api import expect

from tests.gateway.browsing import signed_in
from tests.gateway.conftest import OpenDoor
from tests.gateway.forms import a_key, a_video
from tests.gateway.test_submitting import problems
from tests.gateway.visitors import browser, taken_up, text
from videojobs.lecture.request import LectureRequest
from videojobs.lecture.slides import write_png
from videojobs.ledger import VideoJob
from videojobs.ledger.tokens import Scope
from videojobs.media.store import lecture_key, parse_uri
from videojobs.states import Point, Work

API: Final = "/api/v1"
LECTURES: Final = f"{API}/lectures"
FORM: Final = f"{LECTURES}/upload"
DOCUMENTS: Final = {"pdf": {}, "subtitles": {"files": ["subtitles.srt", "subtitles.vtt"], "cues": 3}}
FACTS: Final[dict[Point, dict[str, Any]]] = {
    Point.FETCHED: {"inputs": {"video": "s3://videojobs/lecture.mp4"}},
    Point.SLIDES_FOUND: {"slides": 2},
    Point.DOCUMENTS_STORED: {"documents": DOCUMENTS},
}


def files() -> dict[str, tuple[str, bytes]]:
    return {"file": ("lecture.mp4", a_video())}


async def job_of(door: OpenDoor, answer: httpx.Response) -> VideoJob:
    assert answer.status_code == 202, answer.text
    return await door.ledger.job(answer.json()["job_id"])


async def opened(door: OpenDoor, user: str, name: str = "On water") -> VideoJob:
    request = LectureRequest(video="https://example.com/lecture.mp4", user_id=user, display_name=name)
    return await door.ledger.open(f"lecture-{uuid.uuid4()}", request, actor="test")


async def brought_to(door: OpenDoor, job: VideoJob, *points: Point) -> VideoJob:
    lease = await taken_up(door, job.id)
    for point in points:
        await door.ledger.advance(lease, point, facts=FACTS.get(point))
    return await door.ledger.job(job.id)


async def documented(door: OpenDoor, user: str) -> VideoJob:
    job = await opened(door, user)
    return await brought_to(door, job, Point.FETCHED, Point.SLIDES_FOUND, Point.TRANSCRIBED, Point.DOCUMENTS_STORED)


# ---- what becomes a lecture --------------------------------------------------------------------------------


async def test_a_form_becomes_a_lecture_with_its_file_in_the_storage_and_a_run(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    options = {"slides": {"sensitivity": 0.5}}
    data = {"display_name": "On water", "options": json.dumps(options)}
    answer = await http.post(FORM, files=files(), data=data)
    job = await job_of(door, answer)
    assert (job.work, job.is_pro_job, job.user_id, job.display_name) == (Work.LECTURE, False, user, "On water")
    assert job.request["options"]["slides"]["sensitivity"] == 0.5
    assert door.store.open(parse_uri(job.request["video"])[1]).read() == a_video()
    assert door.prefect.started == [job.id]
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


async def test_a_link_becomes_a_lecture_once_however_often_it_is_sent(door: OpenDoor, http: httpx.AsyncClient) -> None:
    key, wanted = a_key(), {"video": "https://example.com/lecture.mp4", "display_name": "On water"}
    first, second = [await http.post(LECTURES, json=wanted, headers=key) for _ in range(2)]
    job = await job_of(door, first)
    assert second.json()["job_id"] == job.id
    assert job.request["video"] == wanted["video"]
    other = await http.post(LECTURES, json={**wanted, "display_name": "On air"}, headers=key)
    assert other.status_code == 409


async def test_all_that_is_wrong_with_a_request_is_told_at_once(http: httpx.AsyncClient) -> None:
    options = {"slides": {"sensitivity": 7, "speed": 1}, "speech": {"language": "English"}}
    found = problems(await http.post(LECTURES, json={"video": "/etc/passwd", "options": options, "audio": []}))
    assert found.keys() == {
        "video", "audio", "options.slides.sensitivity", "options.slides.speed", "options.speech.language",
    }  # fmt: skip
    assert found["options.slides.sensitivity"] == "must be 0.98 or less"


async def test_somebody_elses_upload_cannot_be_named(door: OpenDoor, http: httpx.AsyncClient) -> None:
    found = problems(await http.post(LECTURES, json={"video": "s3://videojobs/users/eve/lecture.mp4"}))
    assert "not an upload of yours" in found["video"]


@pytest.mark.parametrize(
    ("sent", "data", "field"),
    [
        ({}, {"display_name": "none"}, "file"),
        ({"file": ("notes.txt", b"no video at all, only some words" * 100)}, {}, "file"),
        (files(), {"segments_data": "[]"}, "segments_data"),
        (files(), {"options": "{"}, "options"),
        (files(), {"language": "English"}, "options.speech.language"),
        (files(), {"language": "en", "options": "{}"}, "language"),
    ],
)
async def test_a_bad_form_becomes_no_lecture_and_leaves_nothing_behind(
    door: OpenDoor, http: httpx.AsyncClient, user: str, sent: Any, data: dict[str, str], field: str
) -> None:
    # Without a file httpx would send no multipart form.
    assert field in problems(await http.post(FORM, files=sent or {"user_id": (None, user)}, data=data))
    assert door.left_of(user) == []
    assert door.prefect.started == []


# ---- who sees what -----------------------------------------------------------------------------------------


async def test_a_user_lists_his_own_lectures_and_an_admin_all(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    waiting, working = await opened(door, user), await brought_to(door, await opened(door, user), Point.FETCHED)
    foreign = await opened(door, f"other-{user}")
    mine = (await http.get(LECTURES)).json()["lectures"]
    assert [(each["job_id"], each["status"]) for each in mine] == [
        (working.id, "processing"),
        (waiting.id, "in_queue"),
    ]
    queued = (await http.get(LECTURES, params={"status": "in_queue"})).json()["lectures"]
    assert [each["job_id"] for each in queued] == [waiting.id]
    async with await door.client("root", Scope.READ, Scope.ADMIN) as admin:
        everybodys = (await admin.get(LECTURES, params={"limit": 3})).json()["lectures"]
    assert {each["job_id"] for each in everybodys} == {waiting.id, working.id, foreign.id}
    for path in (f"{LECTURES}/{foreign.id}/status", f"{API}/jobs/{foreign.id}"):
        assert (await http.get(path)).status_code == 404


async def test_pages_of_the_list_follow_each_other(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    made = [(await opened(door, user)).id for _ in range(3)]
    first = (await http.get(LECTURES, params={"limit": 2})).json()
    second = (await http.get(LECTURES, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [each["job_id"] for each in first["lectures"] + second["lectures"]] == made[::-1]
    assert second["next_cursor"] is None


# ---- what there is to download -----------------------------------------------------------------------------


async def test_downloads_come_as_the_stages_do(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    job = await brought_to(door, await opened(door, user), Point.FETCHED, Point.TRANSCRIBED)
    path = f"{LECTURES}/{job.id}/status"
    assert (await http.get(path)).json()["downloads"] == ["source"]
    done = await documented(door, user)
    status = (await http.get(f"{LECTURES}/{done.id}/status")).json()
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
async def test_every_document_can_be_downloaded_under_a_name_of_its_own(
    door: OpenDoor, http: httpx.AsyncClient, user: str, query: str, name: str, saved: str
) -> None:
    job = await documented(door, user)
    door.store.put_bytes(lecture_key(user, job.id, name), name.encode(), "application/octet-stream")
    link = await http.get(f"{API}/jobs/{job.id}/download?{query}&save=true")
    assert link.status_code == 307
    async with httpx.AsyncClient() as anybody:
        answer = await anybody.get(link.headers["location"])
    assert answer.text == name
    assert saved in answer.headers["content-disposition"]


async def test_a_slide_that_there_is_not_is_not_found(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    job = await documented(door, user)
    assert (await http.get(f"{API}/jobs/{job.id}/download?what=slide&number=9")).status_code == 404
    assert (await http.get(f"{API}/jobs/{job.id}/download?what=result")).status_code == 404


async def test_a_lecture_is_cancelled_and_retried_as_every_job(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    job = await opened(door, user)
    assert (await http.post(f"{API}/jobs/{job.id}/cancel")).status_code == 202
    status = (await http.get(f"{LECTURES}/{job.id}/status")).json()
    assert status["status"] == "failed"
    assert "Cancelled" in status["error"]
    assert (await http.post(f"{API}/jobs/{job.id}/retry")).status_code == 202
    assert job.id in door.prefect.retried


# ---- pages -------------------------------------------------------------------------------------------------


async def test_a_lecture_is_sent_from_a_page_without_a_script(door: OpenDoor, user: str) -> None:
    async with await browser(door, user) as http:
        assert "New lecture" in await text(http, "/jobs")
        assert "MKV" in await text(http, "/submit/lecture")
        data = {"display_name": "On water", "language": "", "without_speech": "continue"}
        answer = await http.post("/submit/lecture", files=files(), data=data)
        assert answer.status_code == 303, answer.text
        job = await door.ledger.job(answer.headers["location"].removeprefix("/jobs/"))
        assert job.request["options"]["speech"]["without_speech"] == "continue"
        seen = await text(http, f"/jobs/{job.id}")
        assert "Nothing: lectures are worked on here" in seen
        assert "Segments" not in seen
        assert "lecture" in await text(http, "/jobs")


async def test_the_page_says_what_to_mend(door: OpenDoor, user: str) -> None:
    async with await browser(door, user) as http:
        data = {"language": "English"}
        answer = await http.post("/submit/lecture", files={"file": ("a.txt", b"words" * 500)}, data=data)
    assert answer.status_code == 422
    assert "does not begin like a video" in answer.text
    assert "letters of a language" in answer.text


async def test_a_lectures_page_offers_its_documents_and_shows_its_slides(door: OpenDoor, user: str) -> None:
    job = await documented(door, user)
    async with await browser(door, user) as http:
        page = (await http.get(f"/jobs/{job.id}")).text
    assert [words for words in ("PDF", "Subtitles (SRT)", "Subtitles (VTT)", "Slides (ZIP)") if words not in page] == []
    assert page.count("what=slide&amp;number=") == 4
    assert "The PDF and the subtitles are stored." in page


async def test_an_operator_is_not_told_to_buy_a_parked_lecture_again(door: OpenDoor, user: str) -> None:
    job = await opened(door, user)
    await door.ledger.park(await taken_up(door, job.id), "5 runs in a row ended without getting any further")
    async with await browser(door, "boss", Scope.ADMIN) as http:
        seen = await text(http, f"/jobs/{job.id}")
    assert "retry goes on" in seen
    assert [word for word in ("adopt", "resubmit", "bought") if word in seen] == []


@pytest.mark.browser
async def test_slides_are_seen_as_soon_as_they_are_found(door: OpenDoor, user: str, tmp_path: Path) -> None:
    job = await opened(door, user)
    lease = await taken_up(door, job.id)
    await door.ledger.advance(lease, Point.FETCHED, facts=FACTS[Point.FETCHED])
    door.store.put_bytes("lecture.mp4", b"no video, but there", "video/mp4")
    for number in (1, 2):
        write_png(tmp_path / "slide.png", np.full((90, 160, 3), 60 * number, np.uint8))
        key = lecture_key(job.user_id, job.id, f"slide-{number:04}.png")
        door.store.put_file(key, tmp_path / "slide.png", "image/png")
    async with signed_in(door.address, await door.token(user)) as page:
        await page.goto(f"{door.address}/jobs/{job.id}")
        await expect(page.get_by_text("not known yet")).to_be_visible()
        await door.ledger.advance(lease, Point.SLIDES_FOUND, facts=FACTS[Point.SLIDES_FOUND])
        await expect(page.get_by_role("img", name="Slide 2")).to_be_visible()
        await expect(page.get_by_text("not known yet")).to_be_hidden()
