"""A lecture from its video to its published documents. Each step looks first whether it is done already."""

import asyncio
import zipfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from threading import Event
from typing import Any, Final

from prefect.artifacts import acreate_link_artifact
from prefect.logging import get_run_logger

from tasks.lecture_place import Place, at_length
from tasks.progress import show, slug
from tasks.run import JobRun
from tasks.steps import INPUT_RETRIES, step
from videojobs.errors import InvalidMedia, InvalidRequest, Problem
from videojobs.lecture.checking import check_lecture
from videojobs.lecture.models import Deck, Lecture, Subtitles, Transcript
from videojobs.lecture.options import LectureOptions
from videojobs.lecture.pdf import FILE as PDF
from videojobs.lecture.pdf import write_pdf
from videojobs.lecture.request import LectureRequest
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.slides import find_slides
from videojobs.lecture.speech import check_speech, transcribe
from videojobs.lecture.subtitles import write_subtitles
from videojobs.lecture.work import Progress
from videojobs.ledger import VideoJob
from videojobs.media.sources import is_stored
from videojobs.media.store import ObjectStore, content_type, lecture_key, video_key
from videojobs.settings import Timings
from videojobs.states import Point, reached

TRANSCRIPT: Final = "transcript.json"
TIMES: Final = "times.json"
SLIDES: Final = "slides.zip"
_TYPES: Final = {
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
    ".zip": "application/zip",
}


@step("fetch the lecture", retries=INPUT_RETRIES)
async def fetch_lecture(run: JobRun, place: Place) -> None:
    """Bring the video here, decode all of it once, and store it unless it lies in storage. Raises InvalidRequest."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    if reached(job.point, Point.FETCHED):
        return
    show(job)
    request, store = LectureRequest.model_validate(job.request), await run.connections.store()
    try:
        video = await place.bring(run, request.video)
        lecture = await at_length(run, place, "check", lambda told, stop: _checked(video, request.options, told, stop))
    except InvalidMedia as error:
        raise InvalidRequest([Problem("video", str(error))]) from error
    source = request.video
    if not is_stored(source):
        key, kind = video_key(job.user_id, job.id, lecture.container), content_type(lecture.container)
        source = (await asyncio.to_thread(store.put_file, key, video, kind)).uri
    place.shares.clear()
    facts = {"inputs": {"video": source}, "lecture": lecture.model_dump()}
    show(await ledger.advance(run.lease, Point.FETCHED, metadata={"video_s3_url": source}, facts=facts))


def _checked(video: Path, options: LectureOptions, told: Progress, stop: Event) -> Lecture:
    settings = LectureSettings()
    lecture = check_lecture(video, settings, on_progress=told, stop=stop)
    check_speech(lecture, options.speech, settings)
    return lecture


@step("recognise the speech", retries=INPUT_RETRIES)
async def recognise_speech(run: JobRun, place: Place) -> None:
    """What is said, with times, into the job's folder. Raises NoSound or SpeechUnavailable, as the options say."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    if reached(job.point, Point.TRANSCRIBED):
        place.shares["speech"] = 1.0
        return
    options, lecture = _options(job), Lecture.model_validate(job.facts["lecture"])
    video = await place.bring(run, job.facts["inputs"]["video"])

    def work(told: Progress, stop: Event) -> Transcript:
        return transcribe(video, lecture, options.speech, LectureSettings(), on_progress=told, stop=stop)

    transcript = await at_length(run, place, "speech", work)
    (place.folder / TRANSCRIPT).write_text(transcript.model_dump_json())
    await _store(run, job, place, [TRANSCRIPT])
    speech = transcript.model_dump(exclude={"words"}) | {"words": len(transcript.words)}
    show(await ledger.advance(run.lease, Point.TRANSCRIBED, facts={"speech": speech}))


@step("find the slides", retries=INPUT_RETRIES)
async def find_the_slides(run: JobRun, place: Place) -> None:
    """A picture of each slide and the times of all, into the job's folder."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    if reached(job.point, Point.SLIDES_FOUND):
        place.shares["slides"] = 1.0
        return
    options, lecture = _options(job), Lecture.model_validate(job.facts["lecture"])
    video = await place.bring(run, job.facts["inputs"]["video"])

    def work(told: Progress, stop: Event) -> Deck:
        return find_slides(video, lecture, options.slides, place.folder, on_progress=told, stop=stop)

    deck = await at_length(run, place, "slides", work)
    (place.folder / TIMES).write_text(deck.model_dump_json(indent=1))
    await _store(run, job, place, [*(slide.picture for slide in deck.slides), TIMES])
    show(await ledger.advance(run.lease, Point.SLIDES_FOUND, facts={"slides": len(deck.slides)}))


async def side_by_side(*steps: Coroutine[Any, Any, None]) -> None:
    """All of them at once. The first error stops the others, and is raised when they have ended."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in steps:
                group.create_task(each)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


@step("write the documents", retries=INPUT_RETRIES)
async def write_documents(run: JobRun, place: Place) -> None:
    """The PDF, the subtitles and all slides in one file, into the job's folder."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    if reached(job.point, Point.DOCUMENTS_STORED):
        return
    await place.load(run, job, [TRANSCRIPT, TIMES])
    transcript = Transcript.model_validate_json((place.folder / TRANSCRIPT).read_bytes())
    deck = Deck.model_validate_json((place.folder / TIMES).read_bytes())
    await place.load(run, job, [slide.picture for slide in deck.slides])
    place.shares.clear()
    facts = await at_length(
        run, place, "documents", lambda told, stop: _written(job, deck, transcript, place.folder, told, stop)
    )
    files = [PDF, SLIDES, *Subtitles.model_validate(facts["subtitles"]).files]
    await _store(run, job, place, files)
    show(await ledger.advance(run.lease, Point.DOCUMENTS_STORED, facts={"documents": facts}))


def _written(
    job: VideoJob, deck: Deck, transcript: Transcript, folder: Path, told: Progress, stop: Event
) -> dict[str, Any]:
    options = _options(job)
    subtitles = write_subtitles(transcript, options.subtitles, folder)
    with zipfile.ZipFile(folder / SLIDES, "w", zipfile.ZIP_STORED) as together:  # PNG is packed already
        for name in (*(slide.picture for slide in deck.slides), TIMES):
            together.write(folder / name, name)
    title = job.display_name or ""
    document = write_pdf(
        deck, transcript, options.pdf, LectureSettings(), folder, title=title, on_progress=told, stop=stop
    )
    return {"subtitles": subtitles.model_dump(), "pdf": document.model_dump()}


@step("publish the documents")
async def publish_lecture(run: JobRun) -> str:
    """Complete the job; gives the `s3://` address of the PDF."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    store = await run.connections.store()
    job = await ledger.finish(run.lease, store.uri(lecture_key(job.user_id, job.id, PDF)))
    get_run_logger().info("Job %s: Lecture completed. PDF: %s", job.id, job.output_url)
    show(job)
    return str(job.output_url)


@step("show the documents", retries=0)
async def show_documents(run: JobRun) -> None:
    """A link to each document, as artifacts of the run."""
    job = await (await run.connections.ledger()).job(run.job_id)
    store = await run.connections.store()
    days = Timings().result_link_days
    for name in (PDF, *job.facts["documents"]["subtitles"]["files"], SLIDES):
        await acreate_link_artifact(
            key=f"{name.replace('.', '-')}-{slug(job.id)}",
            link=store.presign(lecture_key(job.user_id, job.id, name), int(days * 86_400)),
            link_text=name,
            description=f"{job.progress_message}. The link works for {days:g} days.",
        )


def _options(job: VideoJob) -> LectureOptions:
    return LectureRequest.model_validate(job.request).options


async def _store(run: JobRun, job: VideoJob, place: Place, names: Sequence[str]) -> None:
    """Files of the place into the job's folder, each whole or not at all."""
    store = await run.connections.store()
    await asyncio.to_thread(_put, store, job, place.folder, names)


def _put(store: ObjectStore, job: VideoJob, folder: Path, names: Sequence[str]) -> None:
    for name in names:
        path = folder / name
        store.put_file(lecture_key(job.user_id, job.id, name), path, _TYPES[path.suffix])
