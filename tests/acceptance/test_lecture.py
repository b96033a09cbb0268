"""A lecture on the real stack: from its upload to its documents, and its state after failures."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, Final

import pypdfium2
import pytest
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling

from flows.lecture import lecture as flow
from flows.resolve_job import resolve_job
from tasks import lecture as steps
from tasks.runtime.deployment_names import JOB_DEPLOYMENTS
from tests.acceptance.conftest import StackDriver
from tests.acceptance.test_cancellation import wait_until
from tests.integration.lecture.test_bad_lectures import write_hours_long_video
from tests.support.sample_lecture import SPEECH, SampleLecture
from videojobs.db import JobRepository, Lease, VideoJob
from videojobs.errors import ConfigurationError, UnknownJob
from videojobs.states import JobKind, RecoveryPoint, Status
from videojobs.storage.object_store import lecture_key, parse_uri
from videojobs.testing.fault_injection import InjectedFault

pytestmark = pytest.mark.usefixtures("in_process_flows")

DEPLOYMENT: Final = JOB_DEPLOYMENTS[JobKind.LECTURE]
VIDEO_SECONDS: Final = 12.0  # seconds: two slides, each with its sentences
EXPECTED_FILES: Final = {
    "lecture.pdf", "slide-0001.png", "slide-0002.png", "slides.zip", "subtitles.srt", "subtitles.vtt", "times.json",
    "transcript.json",
}  # fmt: skip


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return SampleLecture(size=(320, 180), camera=False, end_seconds=VIDEO_SECONDS).write(
        tmp_path_factory.mktemp("lecture") / "short.mp4"
    )


@pytest.fixture(scope="session")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recognizing its speech takes some seconds."""
    return SampleLecture(size=(320, 180), camera=False).write(tmp_path_factory.mktemp("lecture") / "long.mp4")


@pytest.fixture
def temp_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of flows that this process runs."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def make_request(video: Path, **changes: Any) -> dict[str, Any]:
    return {"video": str(video), "user_id": "ada", "display_name": "On water"} | changes


async def run_in_process(driver: StackDriver, job_id: str, wanted: dict[str, Any]) -> VideoJob:
    """Run the flow in this process, however it ends; gives the job."""
    await flow(**wanted, job_id=job_id, return_state=True)
    return await driver.repository.get_job(job_id)


def list_folder(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def stored_file_names(driver: StackDriver, job: VideoJob) -> set[str]:
    prefix = lecture_key(job.user_id, job.id, "")
    return {key.removeprefix(prefix) for key in driver.store.list_keys(prefix)}


def pdf_text(driver: StackDriver, job: VideoJob, folder: Path) -> str:
    """The text that a reader can select in the PDF."""
    assert job.output_url is not None, job.error_message
    driver.store.download(parse_uri(job.output_url)[1], folder / "lecture.pdf")
    with pypdfium2.PdfDocument(folder / "lecture.pdf") as pdf:
        return "\n".join(page.get_textpage().get_text_range() for page in pdf)


async def advanced_points(driver: StackDriver, job_id: str) -> list[str]:
    return [event.point for event in await driver.repository.list_events(job_id) if event.kind == "advanced"]


async def test_a_lecture_becomes_subtitles_and_a_pdf(
    driver: StackDriver, job_id: str, video: Path, tmp_path: Path
) -> None:
    run = await driver.wait_for_run(await driver.start_run(make_request(video, job_id=job_id), deployment=DEPLOYMENT))
    assert run.state_type == StateType.COMPLETED
    job = await driver.repository.get_job(job_id)
    assert (job.kind, job.is_pro_job, job.status, job.progress_percentage) == (
        JobKind.LECTURE,
        False,
        "completed",
        100,
    )
    assert job.progress_message == "Lecture processing completed"
    assert stored_file_names(driver, job) == EXPECTED_FILES
    reached = await advanced_points(driver, job_id)
    assert set(reached) - {RecoveryPoint.TRANSCRIBED, RecoveryPoint.SLIDES_FOUND} == {
        RecoveryPoint.FETCHED, RecoveryPoint.ANALYZED, RecoveryPoint.DOCUMENTS_STORED,
    }  # fmt: skip
    text = pdf_text(driver, job, tmp_path)
    assert "oceans" in text
    assert "On water" in text
    spent = await driver.repository.list_submissions(job_id)
    assert spent == []


def wait_for_stop(*_: Any, stop: Event, **__: Any) -> None:
    """A stage that runs until the parallel one stops it."""
    assert stop.wait(120)


def fail_if_repeated(*_: Any, **__: Any) -> None:
    raise AssertionError("a finished stage was done again")


FUNCTION_BY_POINT: Final = {"transcribed": "transcribe", "slides_found": "extract_slides"}


@pytest.mark.parametrize("point", [*FUNCTION_BY_POINT, "analyzed", "documents_stored"])
async def test_a_resumed_lecture_repeats_no_finished_stage(
    driver: StackDriver, job_id: str, video: Path, temp_folder: Path, point: str
) -> None:
    """An unhandled exception interrupts it right after the stage was recorded."""
    advance = JobRepository.advance

    async def advance_then_fail(self: JobRepository, lease: Lease, to: RecoveryPoint, **more: Any) -> VideoJob:
        job = await advance(self, lease, to, **more)
        if job.recovery_point == point:
            raise InjectedFault(point)
        return job

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobRepository, "advance", advance_then_fail)
        for beside in FUNCTION_BY_POINT.values():
            if point in FUNCTION_BY_POINT and FUNCTION_BY_POINT[point] != beside:
                patch.setattr(steps, beside, wait_for_stop)
        job = await run_in_process(driver, job_id, make_request(video))
    assert (job.status, job.recovery_point, list_folder(temp_folder)) == (Status.PROCESSING, point, [])
    with pytest.MonkeyPatch.context() as patch:
        done = [FUNCTION_BY_POINT[point]] if point in FUNCTION_BY_POINT else [*FUNCTION_BY_POINT.values()]
        for name in [*done, *(["write_pdf"] if point == "documents_stored" else [])]:
            patch.setattr(steps, name, fail_if_repeated)
        job = await run_in_process(driver, job_id, make_request(video))
    assert (job.status, stored_file_names(driver, job), list_folder(temp_folder)) == (
        Status.COMPLETED,
        EXPECTED_FILES,
        [],
    )


async def test_a_cancelled_lecture_cleans_up_and_can_resume(
    driver: StackDriver, job_id: str, video: Path, temp_folder: Path
) -> None:
    stopped: list[bool] = []

    def block_until_stopped(*_: Any, stop: Event, **__: Any) -> None:
        stopped.append(stop.wait(120))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "extract_slides", block_until_stopped)
        running = asyncio.create_task(run_in_process(driver, job_id, make_request(video)))
        await wait_until(lambda: is_at_point(driver, job_id, RecoveryPoint.TRANSCRIBED))
        assert list_folder(temp_folder) != []
        running.cancel()
        await asyncio.wait([running])
    assert stopped == [True]
    assert list_folder(temp_folder) == []
    job = await run_in_process(driver, job_id, make_request(video))
    assert job.status == Status.COMPLETED


async def test_a_lecture_cancelled_in_prefect_records_it(driver: StackDriver, job_id: str, long_video: Path) -> None:
    run = await driver.start_run(make_request(long_video, job_id=job_id), deployment=DEPLOYMENT)
    await wait_until(lambda: is_at_point(driver, job_id, RecoveryPoint.FETCHED))
    await driver.prefect.set_flow_run_state(run.id, Cancelling())
    await wait_until(lambda: is_cancelled(driver, job_id))
    job = await driver.repository.get_job(job_id)
    assert job.lease_holder is None
    assert "nothing was paid for" in str(job.error_message)


async def is_at_point(driver: StackDriver, job_id: str, point: RecoveryPoint) -> bool:
    try:
        return (await driver.repository.get_job(job_id)).recovery_point is point
    except UnknownJob:
        return False


async def is_cancelled(driver: StackDriver, job_id: str) -> bool:
    return (await driver.repository.get_job(job_id)).status == Status.CANCELLED


# ---- invalid lectures ----------------------------------------------------------------------------------------


def write_broken_video(path: Path) -> Path:
    path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(5000))
    return path


def write_empty_file(path: Path) -> Path:
    path.touch()
    return path


def write_audio_only_file(path: Path) -> Path:
    path.write_bytes(SPEECH.read_bytes())
    return path


def write_truncated_video(path: Path) -> Path:
    whole = SampleLecture(size=(320, 180), camera=False, end_seconds=3.0).write(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def write_too_long_video(path: Path) -> Path:
    """Four hours by its header; the limit here is three."""
    return write_hours_long_video(path, 4)


@pytest.mark.parametrize(
    "make", [write_broken_video, write_empty_file, write_audio_only_file, write_truncated_video, write_too_long_video]
)
async def test_an_unusable_lecture_video_fails_with_a_reason(
    driver: StackDriver,
    job_id: str,
    tmp_path: Path,
    temp_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], Path],
) -> None:
    monkeypatch.setenv("VIDEOJOBS_LECTURE_MAX_SECONDS", "10800")
    file = await asyncio.to_thread(make, tmp_path / "lecture.mp4")
    job = await run_in_process(driver, job_id, make_request(file))
    assert (job.status, job.kind, job.recovery_point) == (Status.FAILED, JobKind.LECTURE, RecoveryPoint.OPENED)
    assert str(job.error_message).startswith("The request has 1 problem: video: ")
    assert list_folder(temp_folder) == []
    assert stored_file_names(driver, job) == set()


async def test_a_bad_option_is_rejected_with_its_field(driver: StackDriver, job_id: str, video: Path) -> None:
    job = await run_in_process(driver, job_id, make_request(video, options={"slides": {"sensitivity": 7}}))
    assert (job.status, job.kind) == (Status.FAILED, JobKind.LECTURE)
    assert "options.slides.sensitivity: must be 0.98 or less" in str(job.error_message)


@pytest.mark.parametrize("without_speech", ["fail", "continue"])
async def test_a_silent_lecture_fails_or_skips_subtitles_by_option(
    driver: StackDriver, job_id: str, tmp_path: Path, without_speech: str
) -> None:
    silent = SampleLecture(size=(320, 180), camera=False, voice=None, end_seconds=6.0).write(tmp_path / "silent.mp4")
    job = await run_in_process(
        driver, job_id, make_request(silent, options={"speech": {"without_speech": without_speech}})
    )
    if without_speech == "fail":
        assert (job.status, job.recovery_point) == (Status.FAILED, RecoveryPoint.OPENED)
        assert "no audio track" in str(job.error_message)
    else:
        assert job.status == Status.COMPLETED
        assert {name for name in stored_file_names(driver, job) if "subtitles" in name} == set()
        assert job.facts_json["speech"]["outcome"] == "no_sound"


# ---- by operators --------------------------------------------------------------------------------------------


async def test_a_lecture_can_be_retried_but_not_adopted(
    driver: StackDriver, job_id: str, video: Path, temp_folder: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "write_pdf", raise_failure)
        job = await run_in_process(driver, job_id, make_request(video))
    assert (job.status, job.recovery_point, job.error_message) == (Status.FAILED, RecoveryPoint.ANALYZED, "no paper")
    for decision in ("adopt", "resubmit"):
        state = await resolve_job(job_id, decision, "a test", return_state=True)
        assert "buys nothing" in str(state.message)
    state = await resolve_job(job_id, "retry", "a test", return_state=True)
    assert state.is_completed()
    await wait_until(lambda: is_completed(driver, job_id))


def raise_failure(*_: Any, **__: Any) -> None:
    raise ConfigurationError("no paper")


async def is_completed(driver: StackDriver, job_id: str) -> bool:
    return (await driver.repository.get_job(job_id)).status == Status.COMPLETED
