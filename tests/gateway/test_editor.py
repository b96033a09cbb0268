"""The old editor at the door: its form becomes a job, its jobs page shows it, and its browser may read every answer."""

import uuid
from typing import Any, Final

import httpx
import pytest

from tests.gateway.asgi import Broken, called
from tests.gateway.conftest import OpenDoor, open_door
from tests.gateway.editor import ONE, TWO, Part, area, parts, segment
from tests.gateway.forms import PROCESS, a_sound, a_video
from tests.gateway.test_jobs import completed, held, opened
from tests.ledger.test_lectures import REQUEST as LECTURE
from videojobs.errors import LedgerUnavailable
from videojobs.ledger import VideoJob
from videojobs.media.store import parse_uri
from videojobs.states import Point

LIST: Final = "/api/v1/jobs/"
VIDEO: Final = ("my talk.mp4", a_video())
SOUNDS: Final = [("my voice.wav", a_sound(b"1")), ("my voice.wav", a_sound(b"2"))]  # twice the same name


def a_form(**changes: Any) -> list[Part]:
    segments = [segment(0, 2, ONE), segment(2.1, 3.5, TWO)]
    given: dict[str, Any] = {"video": VIDEO, "sounds": SOUNDS, "segments": segments} | changes
    return parts(**given)


async def sent(door: OpenDoor, http: httpx.AsyncClient, **changes: Any) -> VideoJob:
    answer = await http.post(PROCESS, files=a_form(**changes))
    assert answer.is_success, answer.text
    return await door.ledger.job(answer.json()["job_id"])


def sounds_of(door: OpenDoor, job: VideoJob) -> dict[str, bytes]:
    """What is in the file of each refId."""
    sources = {item["refId"]: parse_uri(item["source"])[1] for item in job.request["audio"]}
    return {ref_id: door.store.open(key).read() for ref_id, key in sources.items()}


async def refusal(http: httpx.AsyncClient, **changes: Any) -> str:
    """All that the editor shows of an error."""
    answer = await http.post(PROCESS, files=a_form(**changes))
    body = answer.json()
    assert (answer.status_code, body["status_code"]) == (422, 422)
    detail: str = body["detail"]
    assert all(f"{item['field']}: {item['message']}" in detail for item in body["problems"])
    return detail


# ---- the form ----------------------------------------------------------------------------------------------


async def test_the_form_of_the_editor_becomes_a_job(door: OpenDoor, http: httpx.AsyncClient) -> None:
    job = await sent(door, http, effects=[area(), area("text", x=0), area("protection")])
    assert job.display_name == "Pro Video - my talk.mp4"
    assert sounds_of(door, job) == {ONE: SOUNDS[0][1], TWO: SOUNDS[1][1]}
    assert job.processing_config["effects"][1] == {
        **{"kind": "text", "x": 0, "y": 0.3, "w": 0.4, "h": 0.4},
        **{"start": 4.1, "end": 8.3},
    }
    assert door.prefect.started == [job.id]


async def test_the_first_file_is_that_of_the_refid_that_is_named_first_not_of_the_earliest_segment(
    door: OpenDoor, http: httpx.AsyncClient
) -> None:
    late_first = [segment(6, 9, TWO), segment(0, 2, ONE), segment(3, 4, TWO)]
    assert sounds_of(door, await sent(door, http, segments=late_first)) == {TWO: SOUNDS[0][1], ONE: SOUNDS[1][1]}


async def test_a_file_that_is_called_like_a_refid_is_that_and_the_others_keep_their_order(
    door: OpenDoor, http: httpx.AsyncClient
) -> None:
    named = [("voice.wav", a_sound(b"1")), (f"{ONE}.wav", a_sound(b"2"))]
    assert sounds_of(door, await sent(door, http, sounds=named)) == {TWO: named[0][1], ONE: named[1][1]}


async def test_one_file_may_speak_in_several_segments(door: OpenDoor, http: httpx.AsyncClient) -> None:
    split = [
        segment(0, 1.997142, ONE, startTime=0, endTime=1.997142),
        segment(1.997142, 4, ONE, startTime=1.997142, endTime=4),
    ]
    job = await sent(door, http, segments=split, sounds=SOUNDS[:1])
    assert job.request["segments"] == split


async def test_what_the_editor_sends_a_little_off_is_mended_and_told(door: OpenDoor, http: httpx.AsyncClient) -> None:
    job = await sent(
        door,
        http,
        segments=[segment(0, 2, ONE, endTime=3.1971428571428566), segment(2.1, 3.5, TWO, startTime=None, endTime=None)],
        effects=[
            area(x=-0.0000119),
            area(x=0.6002167),
            area(start=12, end=12),
            area(start=-0.257, y=0.6, height=0.4008),
        ],
    )
    first, second = job.request["segments"]
    assert first["audioInput"] == {"refId": ONE, "startTime": 0, "endTime": 3.197143}
    assert second["audioInput"] == {"refId": TWO}
    areas = job.processing_config["effects"]
    assert [(item["x"], item["start"]) for item in areas] == [(0, 4.1), (0.6002167, 4.1), (0.3, 0)]
    assert [item["x"] + item["w"] for item in areas] == pytest.approx([0.3999881, 1, 0.7])
    [told] = (await http.get(f"/api/v1/jobs/{job.id}")).json()["timeline"]
    for what in (
        "segments_data[0].audioInput: only one end is given, taken from the audio's beginning",
        "effects[0].region.x: -1.19e-05 is outside the picture, cut at 0",
        "effects[1].region.width: reaches to 1.00022, outside the picture, cut at 1",
        "effects[2]: ends where it begins, left out",
        "effects[3].startTime: -0.257 s is before the video, taken as 0 s",
        "effects[3].region.height: reaches to 1.0008, outside the picture, cut at 1",
    ):
        assert what in told["message"]


async def test_a_label_is_taken_also_an_empty_one(door: OpenDoor, http: httpx.AsyncClient) -> None:
    labelled = [segment(0, 2, ONE) | {"label": "hello"}, segment(2.1, 3.5, TWO) | {"label": None}]
    await sent(door, http, segments=labelled)


@pytest.mark.parametrize("ref_ids", [[ONE, ONE], [ONE, TWO, "audio-3"]])
@pytest.mark.parametrize("files", [0, 2])
async def test_another_number_of_files_than_refids_is_told_with_both_numbers(
    http: httpx.AsyncClient, user: str, ref_ids: list[str], files: int
) -> None:
    segments = [segment(number, number + 1, name) for number, name in enumerate(ref_ids)]
    detail = await refusal(http, segments=segments, sounds=SOUNDS[:files])
    assert detail.startswith("The request has 1 problem: audio_files: one is required for each refId")
    assert f"these have {len(set(ref_ids))}; the form has {files}" in detail


# ---- errors ------------------------------------------------------------------------------------------------


async def test_the_detail_of_an_error_names_every_reason(http: httpx.AsyncClient) -> None:
    detail = await refusal(http, segments=[segment(2, 1, ONE), segment(3, 4, TWO)], effects=[area(x=0.9)])
    assert "segments_data[0].endTime: must be later than the start (2 s)" in detail
    assert "effects[0].region.width: sticks out on the right: x + w is 1.3" in detail


async def test_only_protection_areas_are_refused_with_the_reason(http: httpx.AsyncClient) -> None:
    assert "effects: has only areas of kind protection" in await refusal(http, effects=[area("protection")])


@pytest.mark.parametrize(
    ("name", "head"), [("voice.aac", b"\xff\xf1\x50\x80\x2e\x7f\xfc\xda" + b"a" * 100), ("voice.txt", b"text" * 100)]
)
async def test_a_sound_that_is_not_taken_is_refused_with_those_that_are(
    http: httpx.AsyncClient, name: str, head: bytes
) -> None:
    detail = await refusal(http, sounds=[(name, head), SOUNDS[1]])
    assert detail == (
        "The request has 1 problem: audio_files[0]: does not begin like a sound file that is taken here; "
        "send one of FLAC, MP3, MP4, OGG, WAV"
    )


async def test_a_sound_in_m4a_is_taken(door: OpenDoor, http: httpx.AsyncClient) -> None:
    await sent(door, http, sounds=[("voice.m4a", b"\0\0\0\x1cftypM4A \0\0\0\0" + b"a" * 100), SOUNDS[1]])


async def test_an_mpeg_video_is_refused_with_the_formats_that_are_taken(http: httpx.AsyncClient) -> None:
    detail = await refusal(http, video=("talk.mpeg", b"\0\0\x01\xba\x44\0\x04\0\x04\x01" + b"v" * 100))
    assert "file: does not begin like a video that is taken here; send one of AVI, MOV, MP4, WEBM" in detail


# ---- the jobs page -----------------------------------------------------------------------------------------


async def test_the_jobs_page_lists_ones_own_newest_first_by_the_number_of_the_page(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    await opened(door, "somebody-else")
    await door.ledger.open(f"lecture-{uuid.uuid4()}", LECTURE.model_copy(update={"user_id": user}), actor="test")
    made = [(await opened(door, user)).id for _ in range(6)][::-1]
    first = (await http.get(f"{LIST}?page_size=5")).json()
    assert [row["id"] for row in first["jobs"]] == made[:5]
    assert (first["total"], first["page"], first["page_size"]) == (6, 1, 5)
    second = (await http.get(f"{LIST}?page_size=5&page=2")).json()
    assert ([row["id"] for row in second["jobs"]], second["total"]) == (made[5:], 6)
    assert (await http.get(f"{LIST}?page=3&page_size=5")).json()["jobs"] == []
    by_default = (await http.get(LIST)).json()
    assert (len(by_default["jobs"]), by_default["page"], by_default["page_size"]) == (6, 1, 20)


async def test_a_row_has_what_the_page_shows(door: OpenDoor, http: httpx.AsyncClient) -> None:
    job = await sent(door, http, effects=[area()])
    [row] = (await http.get(f"{LIST}?page_size=10")).json()["jobs"]
    shown = {
        "id": job.id,
        "display_name": "Pro Video - my talk.mp4",
        "is_pro_job": True,
        "status": "pending",
        "progress": 0,
        "progress_percentage": 0,
        "progress_message": "Uploading files...",
        "user_id": job.user_id,
    }
    assert shown.items() <= row.items()
    assert row["segments_data"]["total_segments"] == 2
    assert row["created_at"] == job.created_at.strftime("%Y-%m-%dT%H:%M:%S.%f")
    unknown = ("duration", "file_size", "output_url", "credits_used", "estimated_credits", "completed_at")
    assert [row[name] for name in unknown] == [None] * 6


async def test_what_was_measured_is_shown_once_it_is_known(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    lease = await held(door, user)
    facts = {"video": {"duration": 83.6, "size": 4711, "width": 1920, "height": 1080}}
    await door.ledger.advance(lease, Point.UPLOADED, facts=facts)
    [row] = (await http.get(LIST)).json()["jobs"]
    assert (row["status"], row["file_size"], row["duration"]) == ("processing", 4711, 84)
    assert (row["video_duration_seconds"], row["video_resolution"]) == (83.6, "1920x1080")


async def test_the_page_can_be_of_one_status(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    await opened(door, user)
    done = await completed(door, user)
    page = (await http.get(f"{LIST}?page_size=10&status_filter=completed")).json()
    assert ([row["id"] for row in page["jobs"]], page["total"]) == ([done.id], 1)
    assert (await http.get(f"{LIST}?status_filter=cancelled")).json()["jobs"] == []


@pytest.mark.parametrize("suffix", ["", "?download=1"])
async def test_a_browser_opens_the_result_without_a_token_also_with_what_the_page_appends(
    door: OpenDoor, http: httpx.AsyncClient, user: str, suffix: str
) -> None:
    job = await completed(door, user)
    [row] = (await http.get(LIST)).json()["jobs"]
    status = (await http.get(f"/api/v1/jobs/{job.id}/status")).json()
    async with httpx.AsyncClient() as browser:
        for url in (row["output_url"], status["download_url"]):
            assert (await browser.get(url + suffix)).content == b"0123456789"
    assert (status["id"], status["status"], status["progress_percentage"]) == (job.id, "completed", 100)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page_size=0", "page_size"),
        ("page_size=101", "page_size"),
        ("page=0", "page"),
        ("page=x", "page"),
        ("page=1000000000000000000000", "page"),
        ("status_filter=queued", "status_filter"),
    ],
)
async def test_a_page_that_cannot_be_is_refused_in_words(http: httpx.AsyncClient, query: str, field: str) -> None:
    answer = await http.get(f"{LIST}?{query}")
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (422, field)
    assert answer.json()["detail"].startswith(f"The request has 1 problem: {field}: ")


async def test_a_job_of_the_page_is_cancelled_and_said_so(door: OpenDoor, http: httpx.AsyncClient, user: str) -> None:
    job = await opened(door, user)
    answer = await http.post(f"/api/v1/jobs/{job.id}/cancel")
    assert (answer.is_success, "message" in answer.json()) == (True, True)
    assert (await http.get(LIST)).json()["jobs"][0]["status"] == "cancelled"


# ---- a browser on another host -----------------------------------------------------------------------------

EDITOR: Final = "https://editor.example.com"
ASKS: Final = {
    "Origin": EDITOR,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, x-anything",
}


@pytest.fixture
def foreign(monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    """A browser whose page comes from the editor's host, at a door without anything behind it."""
    monkeypatch.setenv("VIDEOJOBS_GATEWAY_CORS_ORIGINS", f"https://other.example.com, {EDITOR}")
    client = called(Broken(LedgerUnavailable("away")))
    client.headers["Origin"] = EDITOR
    return client


async def test_a_browser_may_ask_without_a_token_what_it_may_send(foreign: httpx.AsyncClient) -> None:
    answer = await foreign.options(PROCESS, headers=ASKS)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == EDITOR
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, x-anything"
    allowed = set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    assert allowed == {"GET", "POST", "PUT", "DELETE", "OPTIONS"}


async def test_a_page_of_another_host_is_not_let_in(foreign: httpx.AsyncClient) -> None:
    answer = await foreign.options(PROCESS, headers=ASKS | {"Origin": "https://evil.example.com"})
    assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (400, None)


async def test_no_host_is_let_in_where_none_is_named() -> None:
    answer = await called(Broken(LedgerUnavailable("away"))).options(PROCESS, headers=ASKS)
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_errors_may_be_read_too(foreign: httpx.AsyncClient) -> None:
    bad, long = {"Authorization": "Bearer vj_nobody-knows-this"}, {"Content-Type": "application/json"}
    answers = [
        await foreign.get(LIST),
        await foreign.get("/nowhere"),
        await foreign.get(LIST, headers=bad),
        await foreign.post("/callbacks/ghostcut/" + "x" * 43, content=b"x" * 2_000_000, headers=long),
    ]
    assert [answer.status_code for answer in answers] == [401, 404, 503, 413]
    assert {answer.headers.get("Access-Control-Allow-Origin") for answer in answers} == {EDITOR}


async def test_an_error_that_nobody_foresaw_may_be_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_GATEWAY_CORS_ORIGINS", EDITOR)
    client = called(Broken(RuntimeError("nobody foresaw it")), raises=False)
    headers = {"Origin": EDITOR, "Authorization": "Bearer vj_nobody-knows-this"}
    answer = await client.get(LIST, headers=headers)
    assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (500, EDITOR)
    assert answer.json()["detail"] == "Something went wrong here."


async def test_too_many_requests_may_be_read_too(ground_variables: dict[str, str]) -> None:
    with open_door(ground_variables, cors_origins=EDITOR, failures_per_minute=1) as door:
        headers = {"Origin": EDITOR, "Authorization": "Bearer vj_nobody-knows-this"}
        async with httpx.AsyncClient(base_url=door.address, headers=headers) as http:
            answers = [await http.get(LIST) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 429]
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in answers} == {EDITOR}


@pytest.mark.parametrize("origin", ["*", "editor.example.com", f"{EDITOR}/", f"{EDITOR}/jobs", "null"])
async def test_an_origin_that_no_browser_sends_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    monkeypatch.setenv("VIDEOJOBS_GATEWAY_CORS_ORIGINS", origin)
    with pytest.raises(ValueError, match="cors_origins"):
        called(Broken(LedgerUnavailable("away")))
