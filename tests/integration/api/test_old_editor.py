"""What the old editor's user reads when the API rejects a form, and what the editor reads by a job's id."""

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.api.conftest import ApiServer
from tests.support.media_factory import MediaSpec
from tests.support.old_editor import FilePart, OldEditor, Part, ProEditor, TextPart, shown_error, to_js_json
from tests.support.old_editor_clip import write_voice

VOICE_SECONDS = 5.0
PRO_ADDRESS = "/video-editors/pro-sync-process"


@dataclass(frozen=True, slots=True)
class UserFiles:
    """The files of a user of the editor: a video of 12 s, and voices of 5 s."""

    video: Path
    mpeg: Path
    voice: Path
    raw_aac: Path


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> UserFiles:
    folder = tmp_path_factory.mktemp("old editor")
    return UserFiles(
        video=MediaSpec(seconds=12).write(folder / "Urlaub (Schnitt 2).mp4"),
        mpeg=MediaSpec(video_codec="mpeg2video", audio_codec="mp2").write(folder / "Urlaub.mpeg"),
        voice=write_voice(folder / "Neue Stimme (1).m4a", VOICE_SECONDS, seed=2),
        raw_aac=write_voice(folder / "Neue Stimme.aac", VOICE_SECONDS, seed=2),
    )


@pytest.fixture
async def http(api: ApiServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=api.base_url, timeout=60) as client:
        yield client


@pytest.fixture
async def old_editor(api: ApiServer, http: httpx.AsyncClient, user: str) -> OldEditor:
    return OldEditor(http, await api.create_token(user))


def overlap(files: UserFiles) -> list[Part]:
    """The editor only warns."""
    editor = ProEditor(files.video)
    editor.add_segment(0, 3, files.voice)
    editor.add_segment(2, 4, files.voice)
    return editor.form()


def late_crop(files: UserFiles) -> list[Part]:
    """A split without a crop: the editor takes the segment's times for those of the audio."""
    editor = ProEditor(files.video)
    editor.split(editor.add_segment(9.5, 12, files.voice), 10.8)
    return editor.form()


def two_files_for_one_ref_id(files: UserFiles) -> list[Part]:
    form = one_segment(files)
    return [*form, FilePart("audio_files", files.voice)]


def one_segment(files: UserFiles, **changes: Path) -> list[Part]:
    editor = ProEditor(changes.get("video", files.video))
    editor.add_segment(0, 1, changes.get("voice", files.voice))
    return editor.form()


def segments_text(text: str) -> Callable[[UserFiles], list[Part]]:
    def form(files: UserFiles) -> list[Part]:
        kept = [part for part in one_segment(files) if part.field != "segments_data"]
        return [*kept, TextPart("segments_data", text)]

    return form


REJECTED: dict[str, tuple[Callable[[UserFiles], list[Part]], Sequence[str]]] = {
    "overlap": (overlap, ["segments_data[1].startTime", "segments may touch, not overlap"]),
    "late crop": (late_crop, ["segments_data[0].audioInput.startTime", "9.5 s", "lasts 5 s"]),
    "count": (two_files_for_one_ref_id, ["audio_files", "have 1", "has 2", "Send them in the order"]),
    "no segments": (segments_text("[]"), ["segments_data", "give a list with at least one entry"]),
    "bad JSON": (segments_text('[{"startTime":'), ["segments_data", "is not valid JSON"]),
    "no video": (lambda files: one_segment(files)[1:], ["file: is required", "send the video"]),
    "aac": (lambda files: one_segment(files, voice=files.raw_aac), ["audio_files[0]", "send one of", "MP3", "WAV"]),
    "mpeg": (lambda files: one_segment(files, video=files.mpeg), ["file: ", "send one of", "MP4"]),
}


@pytest.mark.parametrize("case", REJECTED)
async def test_the_alert_names_the_mistake_and_no_job_is_made(
    old_editor: OldEditor, files: UserFiles, case: str
) -> None:
    make_form, words = REJECTED[case]
    answer = await old_editor.post_form(PRO_ADDRESS, make_form(files))
    assert_readable_alert(answer, words)
    assert (await old_editor.list_jobs()).json()["total"] == 0


@pytest.mark.parametrize("has_audio", [True, False], ids=["with audio", "without"])
async def test_the_alert_of_the_basic_editor_names_the_formats(
    old_editor: OldEditor, files: UserFiles, has_audio: bool
) -> None:
    answer = await old_editor.submit_basic(files.mpeg, files.voice if has_audio else None)
    assert_readable_alert(answer, ["file: ", "send one of", "MP4"])
    answer = await old_editor.submit_basic(files.video, files.raw_aac)
    assert_readable_alert(answer, ["audio: ", "send one of", "MP3", "WAV"])


async def test_the_alert_of_an_expired_token_is_text(http: httpx.AsyncClient, files: UserFiles) -> None:
    """The editor's `fetch` has no refresh of tokens."""
    answer = await OldEditor(http, "expired").post_form(PRO_ADDRESS, one_segment(files))
    assert answer.status_code == 401
    assert_readable_alert(answer, ["valid token"])


def assert_readable_alert(answer: httpx.Response, words: Sequence[str]) -> None:
    alert = shown_error(answer)
    assert alert is not None, answer.text
    assert [word for word in words if word not in alert] == [], alert
    assert "[object" not in alert
    assert isinstance(answer.json()["detail"], str)
    assert answer.json()["status_code"] == answer.status_code


async def test_null_crops_labels_and_twice_encoded_areas_are_accepted(old_editor: OldEditor, files: UserFiles) -> None:
    """They are in the old backend's own example and code."""
    segment = {"startTime": 3, "endTime": 5, "label": "Anna"}
    segment["audioInput"] = {"refId": "audio-1722945600123-k3j9x0q2a", "startTime": None, "endTime": None}
    area = {"type": "erasure", "startTime": 0, "endTime": 3, "region": {"x": 0, "y": 0, "width": 1, "height": 0.2}}
    form = [part for part in one_segment(files) if part.field != "segments_data"]
    form += [TextPart("segments_data", to_js_json([segment])), TextPart("effects", to_js_json(to_js_json([area])))]
    answer = await old_editor.post_form(PRO_ADDRESS, form)
    assert shown_error(answer) is None, answer.text
    [effect] = (await old_editor.find_row(answer.json()["job_id"]))["processing_config"]["effects"]
    assert (effect["kind"], effect["w"], effect["h"], effect["end"]) == ("erasure", 1, 0.2, 3)


async def test_the_answers_have_the_fields_of_the_old_backend(old_editor: OldEditor, files: UserFiles) -> None:
    pro = (await old_editor.post_form(PRO_ADDRESS, one_segment(files))).json()
    assert set(pro) >= {"job_id", "sync_generation_id", "segments_count", "status", "message"}
    assert (pro["status"], pro["segments_count"]) == ("processing", 1)
    basic = (await old_editor.submit_basic(files.video, files.voice)).json()
    assert set(basic) >= {"job_id", "filename", "message", "status", "sync_generation_id"}
    direct = (await old_editor.submit_basic(files.video)).json()
    assert set(direct) >= {"job_id", "filename", "message", "status", "ghostcut_task_id"}
    assert direct["filename"] == files.video.name


async def test_the_pages_of_the_list_have_each_job_once(old_editor: OldEditor, files: UserFiles) -> None:
    """Newest first; `total` is what the pager shows."""
    job_ids = [(await old_editor.submit_basic(files.video)).json()["job_id"] for _ in range(7)]
    pages = [(await old_editor.list_jobs(5, page)).json() for page in (1, 2, 3)]
    assert [(page["page"], page["page_size"], page["total"]) for page in pages] == [(1, 5, 7), (2, 5, 7), (3, 5, 7)]
    assert [row["id"] for page in pages for row in page["jobs"]] == job_ids[::-1]
    pending = (await old_editor.list_jobs(10, status="pending")).json()
    assert (pending["total"], {row["status"] for row in pending["jobs"]}) == (7, {"pending"})
    assert (await old_editor.list_jobs(10, status="completed")).json()["total"] == 0


async def test_the_status_of_a_job_is_read_by_its_id(old_editor: OldEditor, files: UserFiles) -> None:
    job_id = (await old_editor.post_form(PRO_ADDRESS, one_segment(files))).json()["job_id"]
    reads = {
        f"/video-editors/pro-job/{job_id}/status": (
            "job_id status progress message segments_data created_at completed_at output_url"
        ),
        f"/jobs/{job_id}/status": "id status progress_percentage progress_message error_message download_url",
        f"/jobs/job-status/{job_id}": "job_id status progress message ghostcut_task_id created_at completed_at",
        f"/jobs/{job_id}": "id display_name original_filename status progress created_at duration output_url",
    }
    for address, names in reads.items():
        found: dict[str, Any] = (await old_editor.call("GET", address)).raise_for_status().json()
        assert set(found) >= set(names.split()), address


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/video-editors/pro-job/{}/status"),
        ("GET", "/jobs/{}"),
        ("GET", "/jobs/{}/status"),
        ("GET", "/jobs/job-status/{}"),
        ("POST", "/jobs/{}/cancel"),
        ("POST", "/jobs/{}/retry"),
    ],
)
async def test_another_users_job_looks_like_an_unknown_one(
    api: ApiServer, http: httpx.AsyncClient, old_editor: OldEditor, files: UserFiles, method: str, address: str
) -> None:
    job_id = (await old_editor.submit_basic(files.video)).json()["job_id"]
    stranger = OldEditor(http, await api.create_token(f"user-{uuid.uuid4().hex[:12]}"))
    answers = [await stranger.call(method, address.format(job)) for job in (job_id, uuid.uuid4())]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].json() == answers[1].json()


async def test_a_batch_names_the_file_that_became_no_job(
    old_editor: OldEditor, files: UserFiles, tmp_path: Path
) -> None:
    broken = tmp_path / "kaputt.mp4"
    broken.write_bytes(b"no video at all" * 100)
    names = [files.video, files.video, broken]
    answer = (await old_editor.submit_batch([FilePart("files", path) for path in names])).raise_for_status().json()
    assert answer["total_files"] == 3
    assert [job["filename"] for job in answer["jobs"]] == [path.name for path in names]
    assert [job["status"] for job in answer["jobs"]] == ["processing", "processing", "failed"]
    first, second, failed = (job["job_id"] for job in answer["jobs"])
    assert len({first, second}) == 2
    assert failed == ""
    assert "MP4" in answer["jobs"][2]["message"]
    assert (await old_editor.list_jobs()).json()["total"] == 2


async def test_the_alert_names_the_users_audio_file(old_editor: OldEditor, files: UserFiles) -> None:
    """The user never sees a refId."""
    answer = await old_editor.post_form(PRO_ADDRESS, late_crop(files))
    assert files.voice.name in (shown_error(answer) or "")
