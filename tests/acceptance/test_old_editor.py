"""The old editor on the real stack: its forms as its frontend sends them, and results measured against the facts.

The expected times are worked out by hand from what the editor sent, and not read from the job.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from deployments.local.quality import Area, ExpectedAudio, QualityReport, TimeMapping, measure_result, video_duration
from tests.acceptance.conftest import StackDriver
from tests.acceptance.test_cancellation import wait_until
from tests.support.old_editor import FilePart, OldEditor, ProEditor, shown_error
from tests.support.old_editor_clip import (
    CAPTIONS,
    GONE_SHARE,
    SECONDS,
    SHOWN_SHARE,
    HolidayClip,
    text_sights,
    write_holiday_clip,
    write_voice,
)
from videojobs.db.tokens import Scope

JOBS_TIMEOUT_SECONDS: Final = 150  # a dozen jobs at once take about one minute
POLL_SECONDS: Final = 0.5
PAGE_STATUSES: Final = {"pending", "processing", "completed", "failed", "cancelled"}  # what the jobs page compares
EDGE_SECONDS: Final = 0.2  # three frames around the ends of an area's time, whose frames are not judged
LENGTH_ERROR: Final = 0.1  # seconds: frames, and the padding of audio codecs
ALWAYS: Final = (0.0, SECONDS)
LONGER_THAN_ALWAYS: Final = (-1.0, SECONDS + 1)  # the first and the last frame are judged, too
UNCHANGED: Final[list[TimeMapping]] = [(0, 12, 0, 12)]
TimeRange = tuple[float, float]

# The texts at which the areas are aimed. Their edges are as the editor sends them.
UPPER_LEFT: Final = (-0.0000119, 0, 0.3, 0.2)
UPPER_RIGHT: Final = (0.6002167, 0, 0.4, 0.2)
MIDDLE: Final = (0.3, 0.3, 0.4, 0.4)
LOWER_LEFT: Final = (-0.0000119, 0.78, 0.4, 0.2)
LOWER_RIGHT: Final = (0.6808, 0.7808, 0.32, 0.22)

# The full job: what each part of the source becomes, since `remap` makes a segment as long as its audio.
FULL_PIECES: Final[list[TimeMapping]] = [
    (0, 1.997142, 0, 1.997142),  # A, its first 1.997142 s
    (1.997142, 4, 1.997142, 4),  # A from there to 4 s
    (4, 6, 4, 6),
    (6, 8, 6, 8.5),  # all of B: 2.5 s
    (8, 9, 8.5, 9.5),
    (9, 10, 9.5, 12.697143),  # A to 3.197143 s
    (10, 10.4, 12.697143, 13.097143),
    (10.4, 11.5, 13.097143, 14.197143),  # C from 5.9 to 7 s
    (11.5, 12, 14.197143, 14.697143),
]
SHORT_PIECES: Final[list[TimeMapping]] = [(0, 3, 0, 3), (3, 5, 3, 5.5), (5, 12, 5.5, 12.5)]  # B is 2.5 s long


@dataclass(frozen=True, slots=True)
class Voices:
    """Files of the user. `b` and `c` have the same name on different disks."""

    a: Path  # 5 s
    b: Path  # 2.5 s
    c: Path  # 8 s


@dataclass(frozen=True, slots=True)
class EditorSession:
    """The user's browser, and the job ids of what was sent, by case."""

    editor: OldEditor
    clip: HolidayClip
    voices: Voices
    folder: Path
    job_ids: dict[str, str] = field(default_factory=dict)
    batch: dict[str, Any] = field(default_factory=dict)

    async def row(self, case: str) -> dict[str, Any]:
        return await self.editor.find_row(self.job_ids[case])

    async def download(self, case: str) -> Path:
        """As the page's second button does: in a new window, without a token."""
        path = self.folder / f"{case}.mp4"
        if not path.exists():
            row = await self.row(case)
            assert row["status"] == "completed", row["error_message"]
            path.write_bytes((await open_in_new_window(f"{row['output_url']}?download=1")).content)
        return path


async def open_in_new_window(url: str) -> httpx.Response:
    async with httpx.AsyncClient(follow_redirects=True, timeout=60) as window:
        return (await window.get(url)).raise_for_status()


@pytest.fixture(scope="session")
async def http(driver: StackDriver) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=driver.stack.address_of("api"), timeout=60) as client:
        yield client


async def create_editor(driver: StackDriver, http: httpx.AsyncClient, user: str) -> OldEditor:
    _, token = await driver.repository.create_token(user, (Scope.SUBMIT, Scope.READ), "the old editor")
    return OldEditor(http, token)


@pytest.fixture(scope="session")
async def session(
    driver: StackDriver, http: httpx.AsyncClient, tmp_path_factory: pytest.TempPathFactory
) -> EditorSession:
    """All jobs whose results are measured, sent at once, and ended."""
    folder = tmp_path_factory.mktemp("old_editor")
    clip = await asyncio.to_thread(write_holiday_clip, folder / "clip")
    voices = Voices(
        write_voice(folder / "Neue Stimme (1).m4a", 5, seed=2),
        write_voice(folder / "phone" / "Ä B.wav", 2.5, seed=3),
        write_voice(folder / "studio" / "Ä B.wav", 8, seed=4),
    )
    session = EditorSession(await create_editor(driver, http, "old-editor"), clip, voices, folder)
    await submit_pro_jobs(session)
    await submit_basic_jobs(session)
    await submit_batch(session, driver.short_sample.video)
    await wait_for_jobs(session.editor, list(session.job_ids.values()))
    return session


async def submit_pro_jobs(session: EditorSession) -> None:
    protected, empty = short_pro(session), short_pro(session)
    protected.add_area("protection", *ALWAYS, *MIDDLE)
    empty.add_area("erasure", 12, 12, *MIDDLE)  # added when the video had ended
    for case, editor in {"full": full_pro(session), "protected": protected, "empty area": empty}.items():
        keep_job(session, case, await session.editor.submit_pro(editor))


def full_pro(session: EditorSession) -> ProEditor:
    """Everything that was seen from the real editor, in one job."""
    editor, voices = ProEditor(session.clip.video), session.voices
    editor.split(editor.add_segment(0, 4, voices.a), 1.997142)
    moved = editor.add_segment(4.5, 5.6, voices.c, crop=(0, 1.1))
    editor.add_segment(6, 8, voices.b, dropped=True)
    shortened = editor.add_segment(9, 10.2, voices.a)
    editor.drag_end(shortened, 10, 3.1971428571428566)
    editor.drag_body(moved, 5.9)
    editor.add_area("erasure", -0.257, 3, *UPPER_LEFT)
    editor.add_area("erasure", 4, 9, *UPPER_RIGHT)
    editor.add_area("text", 8, 12, *LOWER_RIGHT)
    editor.add_area("protection", *ALWAYS, *LOWER_LEFT)
    editor.add_area("erasure", 12, 12, *MIDDLE)
    return editor


def short_pro(session: EditorSession) -> ProEditor:
    """One segment of 2 s with 2.5 s of audio, whose length the browser reads as a little more."""
    editor = ProEditor(session.clip.video)
    editor.add_segment(3, 5, session.voices.b, crop=(0, 2.52))
    return editor


async def submit_basic_jobs(session: EditorSession) -> None:
    editor, video, voice = session.editor, session.clip.video, session.voices.a
    areas, protection = ProEditor(video), ProEditor(video)
    areas.add_area("erasure", -0.257, 2, *UPPER_LEFT)
    areas.add_area("erasure", 12, 12, *MIDDLE)
    protection.add_area("protection", *ALWAYS, *MIDDLE)
    keep_job(session, "basic", await editor.submit_basic(video, voice))
    keep_job(session, "basic areas", await editor.submit_basic(video, voice, areas.effects))
    keep_job(session, "direct", await editor.submit_basic(video))
    keep_job(session, "direct areas", await editor.submit_basic(video, None, areas.effects))
    keep_job(session, "direct protected", await editor.submit_basic(video, None, protection.effects))


async def submit_batch(session: EditorSession, video: Path) -> None:
    """The same name twice, and a file that is no video."""
    broken = session.folder / "kaputt.mp4"
    broken.write_bytes(b"no video at all" * 100)
    files = [FilePart("files", video, "Film.mp4"), FilePart("files", video, "Film.mp4"), FilePart("files", broken)]
    answer = await session.editor.submit_batch(files)
    assert shown_error(answer) is None, answer.text
    session.batch.update(answer.json())
    for number, job in enumerate(session.batch["jobs"]):
        if job["job_id"]:
            session.job_ids[f"batch {number}"] = job["job_id"]


def keep_job(session: EditorSession, case: str, answer: httpx.Response) -> None:
    assert shown_error(answer) is None, f"{case}: {answer.text}"
    session.job_ids[case] = answer.json()["job_id"]


async def wait_for_jobs(editor: OldEditor, job_ids: Sequence[str]) -> None:
    """Poll the list as the jobs page does."""
    async with asyncio.timeout(JOBS_TIMEOUT_SECONDS):
        while True:
            rows = (await editor.list_jobs(50)).raise_for_status().json()["jobs"]
            statuses = {row["id"]: row["status"] for row in rows}
            assert set(statuses.values()) <= PAGE_STATUSES
            if not {statuses[job_id] for job_id in job_ids} & {"pending", "processing"}:
                return
            await asyncio.sleep(POLL_SECONDS)


async def measure(
    session: EditorSession, case: str, pieces: Sequence[TimeMapping], sounds: Sequence[ExpectedAudio], areas: list[Area]
) -> QualityReport:
    """The picture outside `areas` must be the source's."""
    result = await session.download(case)
    return await asyncio.to_thread(
        measure_result, session.clip.video, session.clip.clean, result, pieces, areas, sounds
    )


async def find_wrong_texts(
    session: EditorSession, case: str, pieces: Sequence[TimeMapping], gone: dict[str, TimeRange]
) -> list[str]:
    """Frames that show a text in its time range of `gone` (seconds of the source), or lack it at another time."""
    result = await session.download(case)
    sights = await asyncio.to_thread(text_sights, session.clip, result, pieces)
    wrong = []
    for name, seen in sights.items():
        start, end = gone.get(name, (-1.0, -1.0))
        inside = [item for item in seen if start + EDGE_SECONDS < item.moment < end - EDGE_SECONDS]
        outside = [item for item in seen if not start - EDGE_SECONDS < item.moment < end + EDGE_SECONDS]
        assert len(inside) + len(outside) > 10, "there are frames to judge"
        wrong += [f"{name} shown at {item.moment:.2f}: {item.share:.2f}" for item in inside if item.share > GONE_SHARE]
        wrong += [f"{name} lost at {item.moment:.2f}: {item.share:.2f}" for item in outside if item.share < SHOWN_SHARE]
    return wrong


def whole_frame() -> list[Area]:
    return [Area("text", 0, 0, 1, 1, *ALWAYS)]


def all_but(*names: str) -> dict[str, TimeRange]:
    return {name: LONGER_THAN_ALWAYS for name in CAPTIONS if name not in names}


async def test_the_full_pro_job_has_each_voice_at_its_time(session: EditorSession) -> None:
    a, b, c, source = session.voices.a, session.voices.b, session.voices.c, session.clip.video
    sounds = [
        ExpectedAudio(0, 1.997142, a),
        ExpectedAudio(1.997142, 4, a, 1.997142),
        ExpectedAudio(4, 6, source, 4),
        ExpectedAudio(6, 8.5, b),
        ExpectedAudio(8.5, 9.5, source, 8),
        ExpectedAudio(9.5, 12.697143, a),
        ExpectedAudio(12.697143, 13.097143, source, 10),
        ExpectedAudio(13.097143, 14.197143, c, 5.9),
        ExpectedAudio(14.197143, 14.697143, source, 11.5),
    ]
    areas = [
        Area("erasure", 0, 0, 0.3, 0.2, 0, 3),
        Area("erasure", 0.6, 0, 0.4, 0.2, 4, 9),
        Area("text", 0.68, 0.78, 0.32, 0.22, 8, 12),
    ]
    report = await measure(session, "full", FULL_PIECES, sounds, areas)
    assert report.failures() == []
    assert report.length == pytest.approx(14.697143, abs=LENGTH_ERROR)


async def test_the_full_pro_job_loses_each_text_at_its_time(session: EditorSession) -> None:
    """Times of areas are those of the source, also behind segments that became longer. The area at 12 s is none."""
    gone = {"upper left": (-1.0, 3.0), "upper right": (4.0, 9.0), "lower right": (8.0, 13.0)}
    assert await find_wrong_texts(session, "full", FULL_PIECES, gone) == []


async def test_a_pro_job_with_protection_alone_keeps_that_text(session: EditorSession) -> None:
    """Text is removed from the whole frame but what is protected."""
    assert await find_wrong_texts(session, "protected", SHORT_PIECES, all_but("middle")) == []
    await assert_short_sounds(session, "protected")


async def test_a_pro_job_whose_only_area_is_empty_has_its_voice(session: EditorSession) -> None:
    await assert_short_sounds(session, "empty area")


async def assert_short_sounds(session: EditorSession, case: str) -> None:
    source = session.clip.video
    sounds = [ExpectedAudio(0, 3, source), ExpectedAudio(3, 5.5, session.voices.b), ExpectedAudio(5.5, 12.5, source, 5)]
    report = await measure(session, case, SHORT_PIECES, sounds, whole_frame())
    assert [row for row in report.metrics()[: 1 + len(sounds)] if not row.is_ok] == []


@pytest.mark.parametrize(
    ("case", "gone"),
    [("basic", all_but()), ("basic areas", {"upper left": (-1.0, 2.0)})],
    ids=["the whole frame", "an area"],
)
async def test_a_basic_job_has_its_audio_from_the_start(
    session: EditorSession, case: str, gone: dict[str, TimeRange]
) -> None:
    """Of a video that is longer than its audio, mode `loop` keeps the audio's length."""
    pieces: list[TimeMapping] = [(0, 5, 0, 5)]
    assert await find_wrong_texts(session, case, pieces, gone) == []
    report = await measure(session, case, pieces, [ExpectedAudio(0, 5, session.voices.a)], whole_frame())
    assert [row for row in report.metrics()[:2] if not row.is_ok] == []


@pytest.mark.parametrize(
    ("case", "gone"),
    [
        ("direct", all_but()),
        ("direct areas", {"upper left": (-1.0, 2.0)}),
        ("direct protected", all_but("middle")),
    ],
)
async def test_text_removal_alone_keeps_times_and_sound(
    session: EditorSession, case: str, gone: dict[str, TimeRange]
) -> None:
    assert await find_wrong_texts(session, case, UNCHANGED, gone) == []
    report = await measure(session, case, UNCHANGED, [ExpectedAudio(0, 12, session.clip.video)], whole_frame())
    assert [row for row in report.metrics()[:2] if not row.is_ok] == []


async def test_the_vendors_get_what_the_old_backend_sent(driver: StackDriver, session: EditorSession) -> None:
    [full] = await driver.vendor_submissions("sync_so", session.job_ids["full"])
    assert full["request"]["options"]["sync_mode"] == "remap"
    [basic] = await driver.vendor_submissions("sync_so", session.job_ids["basic"])
    assert basic["request"]["options"]["sync_mode"] == "loop"
    assert (basic["request"]["model"], "segments" in basic["request"]) == ("lipsync-2", False)
    modes = {}
    for case in session.job_ids.keys() - {"empty area"}:
        [work] = await driver.vendor_submissions("ghostcut", session.job_ids[case])
        modes[case] = work["request"]["needChineseOcclude"]
    with_areas = {"full", "basic areas", "direct areas"}
    assert modes == {case: 2 if case in with_areas else 1 for case in modes}
    assert await driver.vendor_submissions("sync_so", session.job_ids["direct"]) == []


async def test_a_batch_makes_a_job_of_each_good_file(session: EditorSession) -> None:
    jobs = session.batch["jobs"]
    assert (session.batch["total_files"], [job["filename"] for job in jobs]) == (
        3,
        ["Film.mp4", "Film.mp4", "kaputt.mp4"],
    )
    assert (jobs[2]["job_id"], jobs[2]["status"]) == ("", "failed")
    assert "MP4" in jobs[2]["message"]
    results = [await session.download(case) for case in ("batch 0", "batch 1")]
    assert jobs[0]["job_id"] != jobs[1]["job_id"]
    assert [video_duration(result) for result in results] == pytest.approx([2.4, 2.4], abs=LENGTH_ERROR)


async def test_the_pages_of_the_list_have_each_job_once(session: EditorSession) -> None:
    expected = list(session.job_ids.values())[::-1]
    pages = [(await session.editor.list_jobs(5, page)).json() for page in range(1, len(expected) // 5 + 2)]
    listed = [row["id"] for page in pages for row in page["jobs"]]
    assert (listed[2:], set(listed[:2])) == (expected[2:], set(expected[:2])), "newest first; a batch has no order"
    assert {page["total"] for page in pages} == {len(expected)}
    completed = (await session.editor.list_jobs(50, status="completed")).json()
    assert (completed["total"], {row["status"] for row in completed["jobs"]}) == (len(expected), {"completed"})
    assert (await session.editor.list_jobs(50, status="failed")).json()["jobs"] == []


async def test_a_row_has_what_the_jobs_page_shows(session: EditorSession) -> None:
    row = await session.row("full")
    video = session.clip.video
    assert row["display_name"] == f"Pro Video - {video.name}"
    assert row["original_filename"] == video.name
    assert (row["is_pro_job"], row["segments_data"]["total_segments"]) == (True, 5)
    assert (row["file_size"], row["duration"]) == (video.stat().st_size, 12)
    assert (row["status"], row["progress"], row["error_message"]) == ("completed", 100, None)
    assert datetime.fromisoformat(row["created_at"]).tzinfo is None, "the page takes it as UTC"
    shown = [row[name] for name in ("credits_used", "estimated_credits")]
    assert all(value is None or isinstance(value, int | float) for value in shown)


async def test_both_buttons_open_the_result_without_a_token(session: EditorSession) -> None:
    url = (await session.row("batch 0"))["output_url"]
    played, saved = await open_in_new_window(url), await open_in_new_window(f"{url}?download=1")
    assert played.content == saved.content
    assert saved.content[4:8] == b"ftyp"
    assert saved.headers["content-disposition"].startswith("attachment")
    assert not played.headers.get("content-disposition", "").startswith("attachment")


@pytest.fixture
async def slow_sync_so(driver: StackDriver) -> AsyncIterator[None]:
    """A lip-sync that is in progress until it is cancelled."""
    await driver.update_vendor_settings("sync_so", processing_seconds=3600)
    yield
    await driver.update_vendor_settings("sync_so", processing_seconds=0.5)


def small_pro(driver: StackDriver, *, areas: bool) -> ProEditor:
    """As little processing as possible."""
    editor = ProEditor(driver.short_sample.video)
    editor.add_segment(0, 1, driver.short_sample.audio["audio-2"])
    if areas:
        editor.add_area("erasure", 1.5, 2.1, *MIDDLE)
    return editor


@pytest.mark.usefixtures("slow_sync_so")
async def test_a_job_in_progress_is_cancelled(driver: StackDriver, http: httpx.AsyncClient) -> None:
    """The page offers it for rows that are processing only."""
    editor = await create_editor(driver, http, "old-editor-cancels")
    job_id = (await editor.submit_pro(small_pro(driver, areas=False))).raise_for_status().json()["job_id"]

    async def is_processing() -> bool:
        bought = await driver.vendor_submissions("sync_so", job_id)
        return bool(bought) and (await editor.find_row(job_id))["status"] == "processing"

    async def is_cancelled() -> bool:
        return bool((await editor.find_row(job_id))["status"] == "cancelled")

    await wait_until(is_processing)
    assert (await editor.call("POST", f"/jobs/{job_id}/cancel")).is_success
    await wait_until(is_cancelled)
    listed = (await editor.list_jobs(10, status="cancelled")).json()
    assert [row["id"] for row in listed["jobs"]] == [job_id]


@pytest.fixture
async def slower_ghostcut(driver: StackDriver) -> AsyncIterator[None]:
    """A text removal that takes long enough to inject a fault."""
    await driver.update_vendor_settings("ghostcut", processing_seconds=1)
    yield
    await driver.update_vendor_settings("ghostcut", processing_seconds=0.5)


@pytest.mark.usefixtures("slower_ghostcut")
async def test_a_failed_job_is_retried(driver: StackDriver, http: httpx.AsyncClient) -> None:
    editor = await create_editor(driver, http, "old-editor-retries")
    job_id = (await editor.submit_pro(small_pro(driver, areas=True))).raise_for_status().json()["job_id"]
    await driver.inject_fault("ghostcut", "ends", job_id, status=20)
    await wait_for_jobs(editor, [job_id])
    row = await editor.find_row(job_id)
    assert (row["status"], bool(row["error_message"])) == ("failed", True)
    assert [row["id"] for row in (await editor.list_jobs(10, status="failed")).json()["jobs"]] == [job_id]
    answer = await editor.call("POST", f"/jobs/{job_id}/retry")
    assert answer.is_success
    assert isinstance(answer.json()["message"], str)

    async def is_completed() -> bool:
        return bool((await editor.find_row(job_id))["status"] == "completed")

    await wait_until(is_completed)


async def test_a_pro_job_whose_only_area_is_empty_loses_all_text(driver: StackDriver, session: EditorSession) -> None:
    """The old backend: without a valid area, the whole frame."""
    works = await driver.vendor_submissions("ghostcut", session.job_ids["empty area"])
    assert [work["request"]["needChineseOcclude"] for work in works] == [1]
    assert await find_wrong_texts(session, "empty area", SHORT_PIECES, all_but()) == []


async def test_only_jobs_of_the_pro_editor_have_its_mark(session: EditorSession) -> None:
    marked = {case: (await session.row(case))["is_pro_job"] for case in session.job_ids}
    assert [case for case in marked if marked[case]] == ["full", "protected", "empty area"]
