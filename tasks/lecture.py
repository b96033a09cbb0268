"""The steps of a lecture, from its video to its published documents. Each is skipped if it is done already."""

import asyncio
import zipfile
from collections.abc import Coroutine, Sequence
from pathlib import Path
from threading import Event
from typing import Any, Final

from prefect.artifacts import acreate_link_artifact
from prefect.logging import get_run_logger

from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import INPUT_RETRIES, job_task
from tasks.runtime.lecture_workspace import Workspace, run_with_progress
from tasks.runtime.progress_artifact import report_progress, slugify
from videojobs.db import JobRepository, VideoJob
from videojobs.errors import FieldError, InvalidMedia, InvalidRequest, ProblemCode
from videojobs.lecture.models import LectureInfo, SlideDeck, Transcript
from videojobs.lecture.options import LectureOptions
from videojobs.lecture.pdf import PDF_FILE as PDF
from videojobs.lecture.pdf import write_pdf
from videojobs.lecture.progress import ProgressCallback
from videojobs.lecture.settings import LectureSettings
from videojobs.lecture.slides import extract_slides
from videojobs.lecture.speech import transcribe, validate_speech
from videojobs.lecture.subtitles import write_subtitles
from videojobs.lecture.validation import validate_lecture
from videojobs.media.ingest import is_s3_uri
from videojobs.pipeline.facts import JobFacts, LectureDocuments, SpeechSummary, StoredInputs
from videojobs.settings import TimingSettings
from videojobs.states import RecoveryPoint
from videojobs.storage.object_store import ObjectStore, content_type, lecture_key, video_key
from videojobs.transitions import has_reached

TRANSCRIPT_FILE: Final = "transcript.json"
SLIDE_TIMES_FILE: Final = "times.json"
SLIDES_ARCHIVE: Final = "slides.zip"
_CONTENT_TYPES: Final = {
    ".json": "application/json",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".srt": "application/x-subrip",
    ".vtt": "text/vtt",
    ".zip": "application/zip",
}


@job_task("fetch the lecture", done_at=RecoveryPoint.FETCHED, retries=INPUT_RETRIES)
async def fetch_lecture(run: JobRun, repository: JobRepository, job: VideoJob, workspace: Workspace) -> None:
    """Download the video, decode all of it once, and store it unless it is in storage. Raises InvalidRequest."""
    report_progress(job)
    request, store = job.lecture_request, await run.connections.store()
    try:
        video = await workspace.fetch_video(run, request.video)
        lecture = await run_with_progress(
            run, workspace, "check", lambda told, stop: _validate_lecture(video, request.options, told, stop)
        )
    except InvalidMedia as error:
        raise InvalidRequest([FieldError("video", str(error), ProblemCode.UNREADABLE_FILE)]) from error
    source = request.video
    if not is_s3_uri(source):
        key, kind = video_key(job.user_id, job.id, lecture.container), content_type(lecture.container)
        source = (await asyncio.to_thread(store.put_file, key, video, kind)).uri
    workspace.progress_by_step.clear()
    facts = JobFacts(inputs=StoredInputs(video=source), lecture=lecture)
    report_progress(
        await repository.advance(run.lease, RecoveryPoint.FETCHED, metadata={"video_s3_url": source}, facts=facts)
    )


def _validate_lecture(video: Path, options: LectureOptions, on_progress: ProgressCallback, stop: Event) -> LectureInfo:
    settings = LectureSettings.current()
    lecture = validate_lecture(video, settings, on_progress=on_progress, stop=stop)
    validate_speech(lecture, options.speech, settings)
    return lecture


@job_task("recognise the speech", retries=INPUT_RETRIES)
async def recognise_speech(run: JobRun, workspace: Workspace) -> None:
    """Store the transcript in the job's folder. Raises NoAudioTrack or SpeechUnavailable, as the options say."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    if has_reached(job.recovery_point, RecoveryPoint.TRANSCRIBED):
        workspace.progress_by_step["speech"] = 1.0
        return
    options, lecture = job.lecture_request.options, job.facts.lecture_info
    video = await workspace.fetch_video(run, job.facts.stored_inputs.video)

    def work(on_progress: ProgressCallback, stop: Event) -> Transcript:
        return transcribe(video, lecture, options.speech, LectureSettings.current(), on_progress=on_progress, stop=stop)

    transcript = await run_with_progress(run, workspace, "speech", work)
    (workspace.folder / TRANSCRIPT_FILE).write_text(transcript.model_dump_json())
    await _upload_files(run, job, workspace, [TRANSCRIPT_FILE])
    speech = SpeechSummary(**transcript.model_dump(exclude={"words"}), words=len(transcript.words))
    report_progress(await repository.advance(run.lease, RecoveryPoint.TRANSCRIBED, facts=JobFacts(speech=speech)))


@job_task("find the slides", retries=INPUT_RETRIES)
async def detect_slides(run: JobRun, workspace: Workspace) -> None:
    """Store a picture of each slide, and the times of all, in the job's folder."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    if has_reached(job.recovery_point, RecoveryPoint.SLIDES_FOUND):
        workspace.progress_by_step["slides"] = 1.0
        return
    options, lecture = job.lecture_request.options, job.facts.lecture_info
    video = await workspace.fetch_video(run, job.facts.stored_inputs.video)

    def work(on_progress: ProgressCallback, stop: Event) -> SlideDeck:
        return extract_slides(video, lecture, options.slides, workspace.folder, on_progress=on_progress, stop=stop)

    deck = await run_with_progress(run, workspace, "slides", work)
    (workspace.folder / SLIDE_TIMES_FILE).write_text(deck.model_dump_json(indent=1))
    await _upload_files(run, job, workspace, [*(slide.picture for slide in deck.slides), SLIDE_TIMES_FILE])
    report_progress(
        await repository.advance(run.lease, RecoveryPoint.SLIDES_FOUND, facts=JobFacts(slides=len(deck.slides)))
    )


async def gather_fail_fast(*steps: Coroutine[Any, Any, None]) -> None:
    """Run all concurrently. The first error cancels the others, and is raised when they have ended."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in steps:
                group.create_task(each)
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


@job_task("write the documents", done_at=RecoveryPoint.DOCUMENTS_STORED, retries=INPUT_RETRIES)
async def write_documents(run: JobRun, repository: JobRepository, job: VideoJob, workspace: Workspace) -> None:
    """Store the PDF, the subtitles and an archive of all slides in the job's folder."""
    await workspace.download(run, job, [TRANSCRIPT_FILE, SLIDE_TIMES_FILE])
    transcript = Transcript.model_validate_json((workspace.folder / TRANSCRIPT_FILE).read_bytes())
    deck = SlideDeck.model_validate_json((workspace.folder / SLIDE_TIMES_FILE).read_bytes())
    await workspace.download(run, job, [slide.picture for slide in deck.slides])
    workspace.progress_by_step.clear()
    documents = await run_with_progress(
        run,
        workspace,
        "documents",
        lambda told, stop: _render_documents(job, deck, transcript, workspace.folder, told, stop),
    )
    files = [PDF, SLIDES_ARCHIVE, *documents.subtitles.files]
    await _upload_files(run, job, workspace, files)
    report_progress(
        await repository.advance(run.lease, RecoveryPoint.DOCUMENTS_STORED, facts=JobFacts(documents=documents))
    )


def _render_documents(
    job: VideoJob, deck: SlideDeck, transcript: Transcript, folder: Path, on_progress: ProgressCallback, stop: Event
) -> LectureDocuments:
    options = job.lecture_request.options
    subtitles = write_subtitles(transcript, options.subtitles, folder)
    with zipfile.ZipFile(folder / SLIDES_ARCHIVE, "w", zipfile.ZIP_STORED) as archive:  # PNG is compressed already
        for name in (*(slide.picture for slide in deck.slides), SLIDE_TIMES_FILE):
            archive.write(folder / name, name)
    title = job.display_name or ""
    document = write_pdf(
        deck,
        transcript,
        options.pdf,
        LectureSettings.current(),
        folder,
        title=title,
        on_progress=on_progress,
        stop=stop,
    )
    return LectureDocuments(subtitles=subtitles, pdf=document)


@job_task("publish the documents")
async def publish_lecture(run: JobRun) -> str:
    """Complete the job; returns the `s3://` URI of the PDF."""
    repository = await run.connections.repository()
    job = await repository.get_job(run.job_id)
    store = await run.connections.store()
    job = await repository.complete(run.lease, store.uri(lecture_key(job.user_id, job.id, PDF)))
    get_run_logger().info("Job %s: Lecture completed. PDF: %s", job.id, job.output_url)
    report_progress(job)
    return str(job.output_url)


@job_task("link the documents", retries=0)
async def publish_lecture_artifacts(run: JobRun) -> None:
    """A link to each document, as artifacts of the run."""
    job = await (await run.connections.repository()).get_job(run.job_id)
    store = await run.connections.store()
    timings = TimingSettings.current()
    for name in (PDF, *job.facts.lecture_documents.subtitles.files, SLIDES_ARCHIVE):
        await acreate_link_artifact(
            key=f"{name.replace('.', '-')}-{slugify(job.id)}",
            link=store.presign(lecture_key(job.user_id, job.id, name), timings.result_url_ttl_seconds),
            link_text=name,
            description=f"{job.progress_message}. The link works for {timings.result_url_ttl_days:g} days.",
        )


async def _upload_files(run: JobRun, job: VideoJob, workspace: Workspace, names: Sequence[str]) -> None:
    """Copy from the workspace into the job's folder, each file atomically."""
    store = await run.connections.store()
    await asyncio.to_thread(_put_files, store, job, workspace.folder, names)


def _put_files(store: ObjectStore, job: VideoJob, folder: Path, names: Sequence[str]) -> None:
    for name in names:
        path = folder / name
        store.put_file(lecture_key(job.user_id, job.id, name), path, _CONTENT_TYPES[path.suffix])
