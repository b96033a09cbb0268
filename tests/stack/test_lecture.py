"""A lecture on the real stack: from its upload to its documents, and what becomes of it when something goes wrong."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, Final

import pypdfium2
import pytest
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling

from flows.decide import decide
from flows.lecture import lecture as flow
from tasks import lecture as steps
from tests.lecture.course import SPEECH, Course
from tests.lecture.test_bad_lectures import hours_long
from tests.stack.conftest import Desk
from tests.stack.test_cancelling import until
from videojobs.errors import ConfigurationError
from videojobs.faults import Struck
from videojobs.ledger import Lease, Ledger, UnknownJob, VideoJob
from videojobs.media.store import lecture_key, parse_uri
from videojobs.states import Point, Status, Work

pytestmark = pytest.mark.usefixtures("here")

DEPLOYMENT: Final = "lecture/lecture"
LENGTH: Final = 12.0  # seconds: two slides, each with its sentences
FILES: Final = {
    "lecture.pdf", "slide-0001.png", "slide-0002.png", "slides.zip", "subtitles.srt", "subtitles.vtt", "times.json",
    "transcript.json",
}  # fmt: skip


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Course(size=(320, 180), camera=False, until=LENGTH).write(tmp_path_factory.mktemp("lecture") / "short.mp4")


@pytest.fixture(scope="session")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its speech takes some seconds."""
    return Course(size=(320, 180), camera=False).write(tmp_path_factory.mktemp("lecture") / "long.mp4")


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where flows that are called here put their temporary files."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def request(video: Path, **changes: Any) -> dict[str, Any]:
    return {"video": str(video), "user_id": "ada", "display_name": "On water"} | changes


async def run_here(desk: Desk, job_id: str, wanted: dict[str, Any]) -> VideoJob:
    """The flow in this process, however it ends; gives the job."""
    await flow(**wanted, job_id=job_id, return_state=True)
    return await desk.ledger.job(job_id)


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def stored(desk: Desk, job: VideoJob) -> set[str]:
    prefix = lecture_key(job.user_id, job.id, "")
    return {key.removeprefix(prefix) for key in desk.store.keys(prefix)}


def text_of(desk: Desk, job: VideoJob, folder: Path) -> str:
    """What a reader can select in the PDF."""
    assert job.output_url is not None, job.error_message
    desk.store.fetch(parse_uri(job.output_url)[1], folder / "lecture.pdf")
    with pypdfium2.PdfDocument(folder / "lecture.pdf") as pdf:
        return "\n".join(page.get_textpage().get_text_range() for page in pdf)


async def points(desk: Desk, job_id: str) -> list[str]:
    return [event.point for event in await desk.ledger.events(job_id) if event.kind == "advanced"]


async def test_a_lecture_becomes_subtitles_and_a_pdf_and_leaves_nothing_on_the_worker(
    desk: Desk, job_id: str, video: Path, tmp_path: Path
) -> None:
    run = await desk.ended(await desk.start(request(video, job_id=job_id), deployment=DEPLOYMENT))
    assert run.state_type == StateType.COMPLETED
    job = await desk.ledger.job(job_id)
    assert (job.work, job.is_pro_job, job.status, job.progress_percentage) == (Work.LECTURE, False, "completed", 100)
    assert job.progress_message == "Lecture processing completed"
    assert stored(desk, job) == FILES
    reached = await points(desk, job_id)
    assert set(reached) - {Point.TRANSCRIBED, Point.SLIDES_FOUND} == {
        Point.FETCHED, Point.UNDERSTOOD, Point.DOCUMENTS_STORED,
    }  # fmt: skip
    text = text_of(desk, job, tmp_path)
    assert "oceans" in text
    assert "On water" in text
    spent = await desk.ledger.submissions(job_id)
    assert spent == []


def waits_for_the_other(*_: Any, stop: Event, **__: Any) -> None:
    """A stage that is not done before the one beside it."""
    assert stop.wait(120)


def is_done_again(*_: Any, **__: Any) -> None:
    raise AssertionError("a finished stage was done again")


STAGES: Final = {"transcribed": "transcribe", "slides_found": "find_slides"}


@pytest.mark.parametrize("point", [*STAGES, "understood", "documents_stored"])
async def test_a_run_that_breaks_down_is_gone_on_with_and_no_finished_stage_is_done_again(
    desk: Desk, job_id: str, video: Path, scratch: Path, point: str
) -> None:
    """Broken by an error that nobody foresaw, right after the stage is on the books."""
    advance = Ledger.advance

    async def breaks(self: Ledger, lease: Lease, to: Point, **more: Any) -> VideoJob:
        job = await advance(self, lease, to, **more)
        if job.recovery_point == point:
            raise Struck(point)
        return job

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Ledger, "advance", breaks)
        for beside in STAGES.values():
            if point in STAGES and STAGES[point] != beside:
                patch.setattr(steps, beside, waits_for_the_other)
        job = await run_here(desk, job_id, request(video))
    assert (job.status, job.recovery_point, left_in(scratch)) == (Status.PROCESSING, point, [])
    with pytest.MonkeyPatch.context() as patch:
        done = [STAGES[point]] if point in STAGES else [*STAGES.values()]
        for name in [*done, *(["write_pdf"] if point == "documents_stored" else [])]:
            patch.setattr(steps, name, is_done_again)
        job = await run_here(desk, job_id, request(video))
    assert (job.status, stored(desk, job), left_in(scratch)) == (Status.COMPLETED, FILES, [])


async def test_a_cancelled_lecture_stops_leaves_nothing_and_can_be_gone_on_with(
    desk: Desk, job_id: str, video: Path, scratch: Path
) -> None:
    stopped: list[bool] = []

    def for_ever(*_: Any, stop: Event, **__: Any) -> None:
        stopped.append(stop.wait(120))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "find_slides", for_ever)
        running = asyncio.create_task(run_here(desk, job_id, request(video)))
        await until(lambda: at_point(desk, job_id, Point.TRANSCRIBED))
        assert left_in(scratch) != []
        running.cancel()
        await asyncio.wait([running])
    assert stopped == [True]
    assert left_in(scratch) == []
    job = await run_here(desk, job_id, request(video))
    assert job.status == Status.COMPLETED


async def test_a_lecture_cancelled_in_prefect_says_so(desk: Desk, job_id: str, long_video: Path) -> None:
    run = await desk.start(request(long_video, job_id=job_id), deployment=DEPLOYMENT)
    await until(lambda: at_point(desk, job_id, Point.FETCHED))
    await desk.prefect.set_flow_run_state(run.id, Cancelling())
    await until(lambda: is_cancelled(desk, job_id))
    job = await desk.ledger.job(job_id)
    assert job.lease_holder is None
    assert "nothing was paid for" in str(job.error_message)


async def at_point(desk: Desk, job_id: str, point: Point) -> bool:
    try:
        return (await desk.ledger.job(job_id)).point is point
    except UnknownJob:
        return False


async def is_cancelled(desk: Desk, job_id: str) -> bool:
    return (await desk.ledger.job(job_id)).status == Status.CANCELLED


# ---- what is no lecture --------------------------------------------------------------------------------------


def broken(path: Path) -> Path:
    path.write_bytes(b"\0\0\0\x18ftypmp42" + bytes(5000))
    return path


def empty(path: Path) -> Path:
    path.touch()
    return path


def without_picture(path: Path) -> Path:
    path.write_bytes(SPEECH.read_bytes())
    return path


def cut_short(path: Path) -> Path:
    whole = Course(size=(320, 180), camera=False, until=3.0).write(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def too_long(path: Path) -> Path:
    """Four hours by its header; the limit is three here."""
    return hours_long(path, 4)


@pytest.mark.parametrize("make", [broken, empty, without_picture, cut_short, too_long])
async def test_what_is_no_lecture_fails_with_a_word_on_what_is_wrong_and_leaves_nothing(
    desk: Desk,
    job_id: str,
    tmp_path: Path,
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Callable[[Path], Path],
) -> None:
    monkeypatch.setenv("VIDEOJOBS_LECTURE_MAX_SECONDS", "10800")
    file = await asyncio.to_thread(make, tmp_path / "lecture.mp4")
    job = await run_here(desk, job_id, request(file))
    assert (job.status, job.work, job.point) == (Status.FAILED, Work.LECTURE, Point.OPENED)
    assert str(job.error_message).startswith("The request has 1 problem: video: ")
    assert left_in(scratch) == []
    assert stored(desk, job) == set()


async def test_a_bad_option_is_refused_with_its_field(desk: Desk, job_id: str, video: Path) -> None:
    job = await run_here(desk, job_id, request(video, options={"slides": {"sensitivity": 7}}))
    assert (job.status, job.work) == (Status.FAILED, Work.LECTURE)
    assert "options.slides.sensitivity: must be 0.98 or less" in str(job.error_message)


@pytest.mark.parametrize("without_speech", ["fail", "continue"])
async def test_a_lecture_without_sound_fails_or_goes_on_without_subtitles_as_its_options_say(
    desk: Desk, job_id: str, tmp_path: Path, without_speech: str
) -> None:
    silent = Course(size=(320, 180), camera=False, voice=None, until=6.0).write(tmp_path / "silent.mp4")
    job = await run_here(desk, job_id, request(silent, options={"speech": {"without_speech": without_speech}}))
    if without_speech == "fail":
        assert (job.status, job.point) == (Status.FAILED, Point.OPENED)
        assert "no sound track" in str(job.error_message)
    else:
        assert job.status == Status.COMPLETED
        assert {name for name in stored(desk, job) if "subtitles" in name} == set()
        assert job.facts["speech"]["outcome"] == "no_sound"


# ---- by operators --------------------------------------------------------------------------------------------


async def test_nothing_can_be_adopted_or_bought_again_for_a_lecture_but_it_can_be_retried(
    desk: Desk, job_id: str, video: Path, scratch: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "write_pdf", fails)
        job = await run_here(desk, job_id, request(video))
    assert (job.status, job.point, job.error_message) == (Status.FAILED, Point.UNDERSTOOD, "no paper")
    for decision in ("adopt", "resubmit"):
        state = await decide(job_id, decision, "a test", return_state=True)
        assert "buys nothing" in str(state.message)
    state = await decide(job_id, "retry", "a test", return_state=True)
    assert state.is_completed()
    await until(lambda: is_completed(desk, job_id))


def fails(*_: Any, **__: Any) -> None:
    raise ConfigurationError("no paper")


async def is_completed(desk: Desk, job_id: str) -> bool:
    return (await desk.ledger.job(job_id)).status == Status.COMPLETED
