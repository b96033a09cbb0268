"""The old editor: its form becomes a job, its jobs page shows the job, and its browser may read every response."""

import uuid
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.integration.api.conftest import ApiServer, run_api_server
from tests.integration.api.test_jobs import create_completed_job, create_job, create_leased_job
from tests.integration.db.test_lectures import REQUEST as LECTURE
from tests.support.api_server import BrokenServices, asgi_client
from tests.support.editor_client import DIALOG_REF_ID, DROP_ZONE_REF_ID, FormPart, form_parts, make_area, make_segment
from tests.support.emulator_clips import write_audio
from tests.support.measured_facts import video_facts
from tests.support.multipart_forms import PROCESS_URL, audio_bytes, video_bytes
from videojobs.db import Lease, VideoJob
from videojobs.errors import DatabaseUnavailable
from videojobs.pipeline.facts import JobFacts
from videojobs.states import RecoveryPoint, Stage, Stages
from videojobs.storage.object_store import parse_uri

JOBS_PAGE_URL: Final = "/api/v1/jobs/"
VIDEO_FILE: Final = ("my talk.mp4", video_bytes())
AUDIO_FILES: Final = [("my voice.wav", audio_bytes(b"1")), ("my voice.wav", audio_bytes(b"2"))]  # the same name twice


def editor_form(**changes: Any) -> list[FormPart]:
    segments = [make_segment(0, 2, DIALOG_REF_ID), make_segment(2.1, 3.5, DROP_ZONE_REF_ID)]
    given: dict[str, Any] = {"video": VIDEO_FILE, "sounds": AUDIO_FILES, "segments": segments} | changes
    return form_parts(**given)


async def submit_editor_form(api: ApiServer, http: httpx.AsyncClient, **changes: Any) -> VideoJob:
    answer = await http.post(PROCESS_URL, files=editor_form(**changes))
    assert answer.is_success, answer.text
    return await api.repository.get_job(answer.json()["job_id"])


def audio_by_ref_id(api: ApiServer, job: VideoJob) -> dict[str, bytes]:
    """The content of the file of each refId."""
    sources = {item["refId"]: parse_uri(item["source"])[1] for item in job.request["audio"]}
    return {ref_id: api.store.open(key).read() for ref_id, key in sources.items()}


async def error_detail(http: httpx.AsyncClient, **changes: Any) -> str:
    """The part of an error that the editor shows."""
    answer = await http.post(PROCESS_URL, files=editor_form(**changes))
    body = answer.json()
    assert (answer.status_code, body["status_code"]) == (422, 422)
    detail: str = body["detail"]
    first = body["problems"][0]
    assert detail.startswith(f"{first['field']}: {first['message']}.")
    return detail


# ---- the form ----------------------------------------------------------------------------------------------


async def test_the_editor_form_becomes_a_job(api: ApiServer, http: httpx.AsyncClient) -> None:
    job = await submit_editor_form(api, http, effects=[make_area(), make_area("text", x=0), make_area("protection")])
    assert job.display_name == "Pro Video - my talk.mp4"
    assert audio_by_ref_id(api, job) == {DIALOG_REF_ID: AUDIO_FILES[0][1], DROP_ZONE_REF_ID: AUDIO_FILES[1][1]}
    assert job.processing_config["effects"][1] == {
        **{"kind": "text", "x": 0, "y": 0.3, "w": 0.4, "h": 0.4},
        **{"start": 4.1, "end": 8.3},
    }
    assert api.prefect.started == [job.id]


async def test_files_map_to_ref_ids_in_order_of_first_mention(api: ApiServer, http: httpx.AsyncClient) -> None:
    late_first = [
        make_segment(6, 9, DROP_ZONE_REF_ID),
        make_segment(0, 2, DIALOG_REF_ID),
        make_segment(3, 4, DROP_ZONE_REF_ID),
    ]
    assert audio_by_ref_id(api, await submit_editor_form(api, http, segments=late_first)) == {
        DROP_ZONE_REF_ID: AUDIO_FILES[0][1],
        DIALOG_REF_ID: AUDIO_FILES[1][1],
    }


async def test_a_file_named_like_a_ref_id_maps_to_it(api: ApiServer, http: httpx.AsyncClient) -> None:
    named = [("voice.wav", audio_bytes(b"1")), (f"{DIALOG_REF_ID}.wav", audio_bytes(b"2"))]
    assert audio_by_ref_id(api, await submit_editor_form(api, http, sounds=named)) == {
        DROP_ZONE_REF_ID: named[0][1],
        DIALOG_REF_ID: named[1][1],
    }


async def test_one_audio_file_may_serve_several_segments(api: ApiServer, http: httpx.AsyncClient) -> None:
    split = [
        make_segment(0, 1.997142, DIALOG_REF_ID, startTime=0, endTime=1.997142),
        make_segment(1.997142, 4, DIALOG_REF_ID, startTime=1.997142, endTime=4),
    ]
    job = await submit_editor_form(api, http, segments=split, sounds=AUDIO_FILES[:1])
    assert job.request["segments"] == split


async def test_small_editor_deviations_are_corrected_and_recorded(api: ApiServer, http: httpx.AsyncClient) -> None:
    job = await submit_editor_form(
        api,
        http,
        segments=[
            make_segment(0, 2, DIALOG_REF_ID, endTime=3.1971428571428566),
            make_segment(2.1, 3.5, DROP_ZONE_REF_ID, startTime=None, endTime=None),
        ],
        effects=[
            make_area(x=-0.0000119),
            make_area(x=0.6002167),
            make_area(start=12, end=12),
            make_area(start=-0.257, y=0.6, height=0.4008),
        ],
    )
    first, second = job.request["segments"]
    assert first["audioInput"] == {"refId": DIALOG_REF_ID, "startTime": 0, "endTime": 3.197143}
    assert second["audioInput"] == {"refId": DROP_ZONE_REF_ID}
    areas = job.processing_config["effects"]
    assert [(item["x"], item["start"]) for item in areas] == [(0, 4.1), (0.6002167, 4.1), (0.3, 0)]
    assert [item["x"] + item["w"] for item in areas] == pytest.approx([0.3999881, 1, 0.7])
    [told] = (await http.get(f"/api/v1/jobs/{job.id}")).json()["timeline"]
    for what in (
        "segments_data[0].audioInput: only one end is given; it is used from the start of the audio",
        "effects[0].region.x: -1.19e-05 is outside the picture; it is set to 0",
        "effects[1].region.width: reaches to 1.00022, outside the picture; it is cut at 1",
        "effects[2]: ends where it begins; it is left out",
        "effects[3].startTime: -0.257 s is before the video; it is set to 0 s",
        "effects[3].region.height: reaches to 1.0008, outside the picture; it is cut at 1",
    ):
        assert what in told["message"]


async def test_the_successors_crops_and_speaker_boxes_are_accepted(api: ApiServer, http: httpx.AsyncClient) -> None:
    """Its crops are always the segment's own times."""
    box = {"x1": 0.1, "y1": 0.2, "x2": 0.4, "y2": 0.6, "method": "manual"}
    segments = [
        make_segment(6, 9, DIALOG_REF_ID, startTime=6, endTime=9) | {"speakerBox": box},
        make_segment(10, 12, DROP_ZONE_REF_ID, startTime=10, endTime=12),
    ]
    job = await submit_editor_form(api, http, segments=segments)
    assert job.request["segments"] == segments
    assert (await http.get(f"/api/v1/jobs/{job.id}")).json()["segments_data"]["segments"] == segments
    detail = await error_detail(http, segments=[segments[0] | {"speakerBox": box | {"x2": 0.05}}, segments[1]])
    assert detail == ("segments_data[0].speakerBox.x2: must be greater than x1 (0.1), so that the box is not empty.")


async def test_a_label_is_accepted_even_if_empty(api: ApiServer, http: httpx.AsyncClient) -> None:
    labelled = [
        make_segment(0, 2, DIALOG_REF_ID) | {"label": "hello"},
        make_segment(2.1, 3.5, DROP_ZONE_REF_ID) | {"label": None},
    ]
    await submit_editor_form(api, http, segments=labelled)


@pytest.mark.parametrize("ref_ids", [[DIALOG_REF_ID, DIALOG_REF_ID], [DIALOG_REF_ID, DROP_ZONE_REF_ID, "audio-3"]])
@pytest.mark.parametrize("files", [0, 2])
async def test_a_file_count_mismatch_names_both_counts(
    http: httpx.AsyncClient, user: str, ref_ids: list[str], files: int
) -> None:
    segments = [make_segment(number, number + 1, name) for number, name in enumerate(ref_ids)]
    detail = await error_detail(http, segments=segments, sounds=AUDIO_FILES[:files])
    assert detail.startswith("audio_files: one is required for each refId")
    assert f"these have {len(set(ref_ids))}; the form has {files}" in detail


# ---- errors ------------------------------------------------------------------------------------------------


async def test_the_detail_of_an_error_is_short(http: httpx.AsyncClient) -> None:
    wrong = make_segment(2, 1, DIALOG_REF_ID)
    rest = make_segment(3, 4, DROP_ZONE_REF_ID)
    reason = "segments_data[0].endTime: must be later than the start (2 s)."
    assert await error_detail(http, segments=[wrong, rest]) == reason
    detail = await error_detail(http, segments=[wrong, rest], effects=[make_area(x=0.9)])
    assert detail == f"{reason} There is 1 more problem."
    detail = await error_detail(http, segments=[wrong, rest], effects=[make_area(x=0.9)] * 2)
    assert detail == f"{reason} There are 2 more problems."


async def test_every_problem_of_a_form_has_a_code(http: httpx.AsyncClient) -> None:
    wrong = make_segment(2, 1, DIALOG_REF_ID)
    parts = [*editor_form(segments=[wrong], sounds=[], effects=[make_area(x=0.9)]), ("colour", (None, b"red"))]
    body = (await http.post(PROCESS_URL, files=parts)).json()
    assert {item["field"]: item["code"] for item in body["problems"]} == {
        "colour": "unknown_field",
        "audio_files": "file_count",
        "segments_data[0].endTime": "end_before_start",
        "effects[0].region.width": "outside_picture",
    }
    assert (body["code"], body["omitted_problems"]) == ("invalid_request", 0)


async def test_protection_areas_alone_mean_the_whole_frame_but_them(api: ApiServer, http: httpx.AsyncClient) -> None:
    job = await submit_editor_form(api, http, effects=[make_area("protection")])
    assert job.video_request.removes_whole_frame
    assert [area["kind"] for area in job.processing_config["effects"]] == ["protection"]


@pytest.mark.parametrize(
    ("speech", "sounds", "stages"), [("none", 0, (Stage.TEXT_REMOVAL,)), ("whole_video", 1, tuple(Stage))]
)
async def test_the_form_may_say_that_it_has_no_segments(
    api: ApiServer, http: httpx.AsyncClient, speech: str, sounds: int, stages: Stages
) -> None:
    """Our own page sends it where a browser cannot reach the storage."""
    fields = [("speech", (None, speech.encode())), ("text_removal", (None, b"whole_frame"))]
    form = [*editor_form(segments=[], sounds=AUDIO_FILES[:sounds]), *fields]
    answer = await http.post(PROCESS_URL, files=form)
    job = await api.repository.get_job(answer.json()["job_id"])
    assert (job.stages, job.request["text_removal"]) == (stages, "whole_frame")
    wrong = await http.post(PROCESS_URL, files=[*editor_form(sounds=[]), *fields])
    assert "segments_data: must be empty with speech" in wrong.json()["detail"]


async def test_the_pro_form_needs_segments(http: httpx.AsyncClient) -> None:
    """One audio for the whole video has a form of its own, and another price."""
    detail = await error_detail(http, segments=[], sounds=AUDIO_FILES[:1])
    assert detail == "segments_data: is required: give a list with at least one entry."


@pytest.mark.parametrize(
    ("name", "head"), [("voice.aac", b"\xff\xf1\x50\x80\x2e\x7f\xfc\xda" + b"a" * 100), ("voice.txt", b"text" * 100)]
)
async def test_an_unsupported_audio_format_lists_the_supported_ones(
    http: httpx.AsyncClient, name: str, head: bytes
) -> None:
    detail = await error_detail(http, sounds=[(name, head), AUDIO_FILES[1]])
    assert detail == (
        "audio_files[0]: is not an audio file in a supported format; send one of FLAC, MP3, MP4, OGG, WAV."
    )


async def test_m4a_audio_is_accepted(api: ApiServer, http: httpx.AsyncClient) -> None:
    await submit_editor_form(
        api, http, sounds=[("voice.m4a", b"\0\0\0\x1cftypM4A \0\0\0\0" + b"a" * 100), AUDIO_FILES[1]]
    )


async def test_an_mpeg_video_is_rejected_with_the_formats_supported(http: httpx.AsyncClient) -> None:
    detail = await error_detail(http, video=("talk.mpeg", b"\0\0\x01\xba\x44\0\x04\0\x04\x01" + b"v" * 100))
    assert "file: is not a video in a supported format; send one of AVI, MOV, MP4, WEBM" in detail


# ---- crops beyond the audio ----------------------------------------------------------------------------------


@pytest.fixture
def five_seconds(tmp_path: Path) -> tuple[str, bytes]:
    return "my voice.wav", write_audio(tmp_path / "a.wav", 5.0, seed=1).read_bytes()


async def test_a_split_beyond_the_audio_is_refused_at_once(
    api: ApiServer, http: httpx.AsyncClient, user: str, five_seconds: tuple[str, bytes]
) -> None:
    """The editor cuts audio of unknown length by the times of the video. Segments are numbered as they were sent."""
    split = [
        make_segment(10.8, 12, DIALOG_REF_ID, startTime=10.8, endTime=12),
        make_segment(9.5, 10.8, DIALOG_REF_ID, startTime=9.5, endTime=10.8),
        make_segment(0, 2, DIALOG_REF_ID, startTime=3, endTime=5),
    ]
    answer = await http.post(PROCESS_URL, files=editor_form(segments=split, sounds=[five_seconds]))
    problems = answer.json()["problems"]
    lasts = f'but the audio "{five_seconds[0]}" lasts 5 s; choose a part within it'
    assert {problem["field"]: problem["message"] for problem in problems} == {
        "segments_data[0].audioInput.startTime": f"is 10.8 s, {lasts}",
        "segments_data[0].audioInput.endTime": f"is 12 s, {lasts}",
        "segments_data[1].audioInput.startTime": f"is 9.5 s, {lasts}",
        "segments_data[1].audioInput.endTime": f"is 10.8 s, {lasts}",
    }
    assert {problem["code"] for problem in problems} == {"outside_media"}
    assert api.stored_keys(user) == []


async def test_crops_that_fit_or_cannot_be_measured_are_admitted(
    api: ApiServer, http: httpx.AsyncClient, five_seconds: tuple[str, bytes]
) -> None:
    fits = [make_segment(0, 2, DIALOG_REF_ID, startTime=3, endTime=5.3)]  # a little more is for the run to judge
    await submit_editor_form(api, http, segments=fits, sounds=[five_seconds])
    unknown = [make_segment(0, 2, DIALOG_REF_ID, startTime=30, endTime=50)]
    await submit_editor_form(api, http, segments=unknown, sounds=AUDIO_FILES[:1])


# ---- the jobs page -----------------------------------------------------------------------------------------


async def test_the_jobs_page_lists_own_jobs_newest_first_by_page(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    await create_job(api, "somebody-else")
    await api.repository.create(f"lecture-{uuid.uuid4()}", LECTURE.model_copy(update={"user_id": user}), actor="test")
    made = [(await create_job(api, user)).id for _ in range(6)][::-1]
    first = (await http.get(f"{JOBS_PAGE_URL}?page_size=5")).json()
    assert [row["id"] for row in first["jobs"]] == made[:5]
    assert (first["total"], first["page"], first["page_size"]) == (6, 1, 5)
    second = (await http.get(f"{JOBS_PAGE_URL}?page_size=5&page=2")).json()
    assert ([row["id"] for row in second["jobs"]], second["total"]) == (made[5:], 6)
    assert (await http.get(f"{JOBS_PAGE_URL}?page=3&page_size=5")).json()["jobs"] == []
    by_default = (await http.get(JOBS_PAGE_URL)).json()
    assert (len(by_default["jobs"]), by_default["page"], by_default["page_size"]) == (6, 1, 20)


async def test_a_jobs_page_row_has_every_displayed_field(api: ApiServer, http: httpx.AsyncClient) -> None:
    job = await submit_editor_form(api, http, effects=[make_area()])
    [row] = (await http.get(f"{JOBS_PAGE_URL}?page_size=10")).json()["jobs"]
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


async def test_media_facts_are_shown_once_known(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    lease = await create_leased_job(api, user)
    facts = JobFacts(video=video_facts(duration=83.6, size=4711, width=1920, height=1080))
    await api.repository.advance(lease, RecoveryPoint.UPLOADED, facts=facts)
    [row] = (await http.get(JOBS_PAGE_URL)).json()["jobs"]
    assert (row["status"], row["file_size"], row["duration"]) == ("processing", 4711, 84)
    assert (row["video_duration_seconds"], row["video_resolution"]) == (83.6, "1920x1080")


async def test_the_jobs_page_filters_by_status(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    await create_job(api, user)
    done = await create_completed_job(api, user)
    page = (await http.get(f"{JOBS_PAGE_URL}?page_size=10&status_filter=completed")).json()
    assert ([row["id"] for row in page["jobs"]], page["total"]) == ([done.id], 1)
    assert (await http.get(f"{JOBS_PAGE_URL}?status_filter=cancelled")).json()["jobs"] == []


async def test_the_address_without_a_slash_lists_pages_by_number_too(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    jobs = [(await create_job(api, user)).id for _ in range(3)]
    bare = JOBS_PAGE_URL.rstrip("/")
    for query in ("page=2&page_size=1", "page_size=1&page=2&status_filter=pending"):
        page = (await http.get(f"{bare}?{query}")).json()
        assert ([row["id"] for row in page.pop("jobs")], page) == ([jobs[1]], {"total": 3, "page": 2, "page_size": 1})
    assert set((await http.get(bare)).json()) == {"jobs", "next_cursor"}
    mixed = (await http.get(f"{bare}?page=2&cursor=x&limit=5")).json()
    assert [item["field"] for item in mixed["problems"]] == ["limit", "cursor"]
    assert "cannot be combined with page" in mixed["detail"]


async def test_a_row_names_the_uploaded_file_and_its_start(api: ApiServer, http: httpx.AsyncClient) -> None:
    job = await submit_editor_form(api, http, video=("C:\\films\\my talk (1).mp4", video_bytes()))
    assert (await api.repository.get_job(job.id)).source_file_name == "my talk (1).mp4"
    [row] = (await http.get(JOBS_PAGE_URL)).json()["jobs"]
    assert (row["original_filename"], row["started_at"]) == ("my talk (1).mp4", None)
    assert await api.repository.acquire_lease(Lease(job.id, "run-1/1"), 60) is None
    [_, started] = await api.repository.list_events(job.id)
    [row] = (await http.get(JOBS_PAGE_URL)).json()["jobs"]
    assert row["started_at"] == started.at.strftime("%Y-%m-%dT%H:%M:%S.%f")


async def test_a_job_from_a_link_is_named_after_its_address(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    await create_job(api, user, video="https://example.com/films/talk%20one.mp4?signature=secret")
    answer = await http.get(JOBS_PAGE_URL)
    assert answer.json()["jobs"][0]["original_filename"] == "talk%20one.mp4"
    assert "secret" not in answer.text


async def test_one_job_has_every_field_of_a_row(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    job = await create_completed_job(api, user)
    [row] = (await http.get(JOBS_PAGE_URL)).json()["jobs"]
    shown = (await http.get(f"{JOBS_PAGE_URL}{job.id}")).json()
    times = {name for name in row if name.endswith("_at")}
    assert {name: shown[name] for name in row.keys() - times} == {name: row[name] for name in row.keys() - times}
    assert {name: shown[name] for name in times} == {name: row[name] and f"{row[name]}Z" for name in times}


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
async def test_an_invalid_page_number_is_rejected_with_a_message(
    http: httpx.AsyncClient, query: str, field: str
) -> None:
    answer = await http.get(f"{JOBS_PAGE_URL}?{query}")
    assert (answer.status_code, answer.json()["problems"][0]["field"]) == (422, field)
    assert answer.json()["detail"].startswith(f"{field}: ")


async def test_a_job_is_cancelled_and_retried_from_the_jobs_page(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    job = await create_job(api, user)
    answer = await http.post(f"/api/v1/jobs/{job.id}/cancel")
    assert (answer.is_success, "message" in answer.json()) == (True, True)
    assert (await http.get(JOBS_PAGE_URL)).json()["jobs"][0]["status"] == "cancelled"
    answer = await http.post(f"/api/v1/jobs/{job.id}/retry")
    assert (answer.is_success, "message" in answer.json()) == (True, True)


# ---- a browser on another host -----------------------------------------------------------------------------

EDITOR_ORIGIN: Final = "https://editor.example.com"
PREFLIGHT_HEADERS: Final = {
    "Origin": EDITOR_ORIGIN,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, x-anything",
}


@pytest.fixture
def cross_origin_client(monkeypatch: pytest.MonkeyPatch) -> httpx.AsyncClient:
    """A browser with a page of the editor's host, and an API without dependencies."""
    monkeypatch.setenv("VIDEOJOBS_API_CORS_ORIGINS", f"https://other.example.com, {EDITOR_ORIGIN}")
    client = asgi_client(BrokenServices(DatabaseUnavailable("away")))
    client.headers["Origin"] = EDITOR_ORIGIN
    return client


async def test_a_cors_preflight_needs_no_token(cross_origin_client: httpx.AsyncClient) -> None:
    answer = await cross_origin_client.options(PROCESS_URL, headers=PREFLIGHT_HEADERS)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == EDITOR_ORIGIN
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization, x-anything"
    allowed = set(answer.headers["Access-Control-Allow-Methods"].split(", "))
    assert allowed == {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


async def test_a_page_from_another_host_gets_no_cors_headers(cross_origin_client: httpx.AsyncClient) -> None:
    answer = await cross_origin_client.options(
        PROCESS_URL, headers=PREFLIGHT_HEADERS | {"Origin": "https://evil.example.com"}
    )
    assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (400, None)


async def test_no_origin_is_allowed_by_default() -> None:
    answer = await asgi_client(BrokenServices(DatabaseUnavailable("away"))).options(
        PROCESS_URL, headers=PREFLIGHT_HEADERS
    )
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_error_responses_have_cors_headers(cross_origin_client: httpx.AsyncClient) -> None:
    bad, long = {"Authorization": "Bearer vj_nobody-knows-this"}, {"Content-Type": "application/json"}
    answers = [
        await cross_origin_client.get(JOBS_PAGE_URL),
        await cross_origin_client.get("/nowhere"),
        await cross_origin_client.get(JOBS_PAGE_URL, headers=bad),
        await cross_origin_client.post("/callbacks/ghostcut/" + "x" * 43, content=b"x" * 2_000_000, headers=long),
    ]
    assert [answer.status_code for answer in answers] == [401, 404, 503, 413]
    assert {answer.headers.get("Access-Control-Allow-Origin") for answer in answers} == {EDITOR_ORIGIN}


async def test_an_unhandled_error_has_cors_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDEOJOBS_API_CORS_ORIGINS", EDITOR_ORIGIN)
    client = asgi_client(BrokenServices(RuntimeError("unexpected")), raise_errors=False)
    headers = {"Origin": EDITOR_ORIGIN, "Authorization": "Bearer vj_nobody-knows-this"}
    answer = await client.get(JOBS_PAGE_URL, headers=headers)
    assert (answer.status_code, answer.headers.get("Access-Control-Allow-Origin")) == (500, EDITOR_ORIGIN)
    assert (answer.json()["code"], answer.json()["detail"]) == ("internal_error", "Internal error.")


async def test_a_rate_limit_response_has_cors_headers(service_variables: dict[str, str]) -> None:
    with run_api_server(service_variables, cors_origins=EDITOR_ORIGIN, failures_per_minute=1) as api:
        headers = {"Origin": EDITOR_ORIGIN, "Authorization": "Bearer vj_nobody-knows-this"}
        async with httpx.AsyncClient(base_url=api.base_url, headers=headers) as http:
            answers = [await http.get(JOBS_PAGE_URL) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [401, 429]
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in answers} == {EDITOR_ORIGIN}
    assert answers[1].headers["Access-Control-Expose-Headers"] == "Retry-After"


@pytest.mark.parametrize(
    ("origin", "reason"),
    [
        ("*", r"\* would let unknown websites read .*; name each origin"),
        ("https://*.example.com", "name each origin"),
        ("editor.example.com", "is not an origin; write scheme and host, such as https://editor.example.com"),
        (f"{EDITOR_ORIGIN}/", "without a path or a slash at the end"),
        (f"{EDITOR_ORIGIN}/jobs", "without a path"),
        ("null", "null is not an origin"),
    ],
)
def test_an_invalid_cors_origin_is_rejected_at_startup(
    monkeypatch: pytest.MonkeyPatch, origin: str, reason: str
) -> None:
    monkeypatch.setenv("VIDEOJOBS_API_CORS_ORIGINS", f"https://a.example, {origin}")
    with pytest.raises(ValueError, match=f"cors_origins(.|\n)*{reason}"):
        asgi_client(BrokenServices(DatabaseUnavailable("away")))
