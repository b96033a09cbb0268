"""Validate every input, and store it unless it is stored already: the last check before anything is paid for."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import INPUT_RETRIES, job_task
from tasks.runtime.progress_artifact import report_progress
from videojobs.db import JobRepository, VideoJob
from videojobs.pipeline.facts import JobFacts, StoredInputs
from videojobs.progress import POINT_SPECS, progress_within
from videojobs.requests.input_validation import ValidatedInputs, validate_inputs
from videojobs.settings import AccessSettings
from videojobs.states import RecoveryPoint
from videojobs.storage.object_store import ObjectStore, audio_key, content_type, video_key


@job_task("upload the inputs", done_at=RecoveryPoint.UPLOADED, retries=INPUT_RETRIES)
async def upload(run: JobRun, repository: JobRepository, job: VideoJob) -> None:
    """Decode and check all inputs, and copy those into our storage that are not there. Raises InvalidRequest."""
    report_progress(job)
    request = job.video_request
    store = await run.connections.store()
    async with AsyncExitStack() as stack:
        inputs = await validate_inputs(stack, request, store, AccessSettings.current())
        stored_inputs = await _store_inputs(run, repository, job, store, inputs)
    job = await repository.advance(
        run.lease,
        RecoveryPoint.UPLOADED,
        metadata={
            "video_s3_url": stored_inputs.video,
            "audio_url_mapping": stored_inputs.audio,
        },
        facts=JobFacts(inputs=stored_inputs, video=inputs.video.facts, audio=inputs.audio_facts),
    )
    report_progress(job)


async def _store_inputs(
    run: JobRun, repository: JobRepository, job: VideoJob, store: ObjectStore, inputs: ValidatedInputs
) -> StoredInputs:
    """The `s3://` URIs of all inputs. Downloaded ones are put into the job's folder; reports progress."""
    video = inputs.video
    key = video_key(job.user_id, job.id, video.facts.container)
    video_uri = await _ensure_stored(store, video.location, key, content_type(video.facts.container))
    audio_uris: dict[str, str] = {}
    for done, (ref_id, sound) in enumerate(inputs.audio.items(), start=1):
        share = done / (len(inputs.audio) + 1)
        report_progress(
            await repository.update_progress(
                run.lease, progress_within(RecoveryPoint.OPENED, share), POINT_SPECS[RecoveryPoint.OPENED].message
            )
        )
        container = sound.facts.container
        key = audio_key(job.user_id, job.id, ref_id, container)
        audio_uris[ref_id] = await _ensure_stored(store, sound.location, key, content_type(container, audio_only=True))
    return StoredInputs(video=video_uri, audio=audio_uris)


async def _ensure_stored(store: ObjectStore, location: Path | str, key: str, media_type: str) -> str:
    if isinstance(location, str):
        return location
    return (await asyncio.to_thread(store.put_file, key, location, media_type)).uri
