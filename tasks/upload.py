"""Validate every input, and store it unless it is stored already: the last check before anything is paid for."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from tasks.runtime.job_run import JobRun
from tasks.runtime.job_task import INPUT_RETRIES, job_task
from tasks.runtime.progress_artifact import report_progress
from videojobs.db import JobRepository, VideoJob
from videojobs.errors import FieldError, InvalidMedia, InvalidRequest, ProblemCode, TransferInterrupted
from videojobs.media.executors import run_cpu_bound
from videojobs.media.facts import AudioFacts, VideoFacts
from videojobs.media.ingest import fetch_to_temp, is_s3_uri, open_s3
from videojobs.media.probe import probe_audio, probe_source_video
from videojobs.media.url_policy import UrlPolicy
from videojobs.pipeline.facts import JobFacts, StoredInputs
from videojobs.progress import POINT_SPECS, progress_within
from videojobs.requests.media_rules import validate_media, video_limits
from videojobs.requests.models import JobRequest
from videojobs.settings import AccessSettings, LimitSettings
from videojobs.states import RecoveryPoint
from videojobs.storage.object_store import ObjectStore, audio_key, content_type, video_key

FactsT = TypeVar("FactsT", VideoFacts, AudioFacts)
Probe = Callable[[Path | BinaryIO], FactsT]


@job_task("upload the inputs", done_at=RecoveryPoint.UPLOADED, retries=INPUT_RETRIES)
async def upload(run: JobRun, repository: JobRepository, job: VideoJob) -> None:
    """Decode and check all inputs, and copy those into our storage that are not there. Raises InvalidRequest."""
    report_progress(job)
    request = job.video_request
    store = await run.connections.store()
    async with AsyncExitStack() as stack:
        inputs = await _validate_inputs(stack, request, store)
        stored_inputs = await _store_inputs(run, repository, job, store, inputs)
    job = await repository.advance(
        run.lease,
        RecoveryPoint.UPLOADED,
        metadata={
            "video_s3_url": stored_inputs.video,
            "audio_url_mapping": stored_inputs.audio,
        },
        facts=JobFacts(
            inputs=stored_inputs,
            video=inputs.video.facts,
            audio={ref_id: sound.facts for ref_id, sound in inputs.audio.items()},
        ),
    )
    report_progress(job)


@dataclass(frozen=True, slots=True)
class _ValidatedInput(Generic[FactsT]):
    """One file that was decoded without errors."""

    location: Path | str  # a local file; or an `s3://` URI that our credentials can read
    facts: FactsT


@dataclass(frozen=True, slots=True)
class _ValidatedInputs:
    """All files of a job."""

    video: _ValidatedInput[VideoFacts]
    audio: dict[str, _ValidatedInput[AudioFacts]]  # by refId


async def _validate_inputs(stack: AsyncExitStack, request: JobRequest, store: ObjectStore) -> _ValidatedInputs:
    """Decode every file. Raises InvalidRequest with the problems of all."""
    limits = LimitSettings.current()
    allowed = video_limits(request.stages, limits)
    video_probe = partial(
        probe_source_video,
        containers=allowed.containers,
        max_seconds=allowed.max_seconds,
        max_pixels=limits.max_picture_long_side * limits.max_picture_short_side,
    )
    audio_probe = partial(probe_audio, containers=limits.audio_containers, max_seconds=limits.max_audio_seconds)
    problems: list[FieldError] = []

    async def probe_input(
        path: str, source: str, max_bytes: int, probe: Probe[FactsT]
    ) -> _ValidatedInput[FactsT] | None:
        try:
            return await _fetch_and_probe(stack, source, store, max_bytes, probe)
        except InvalidMedia as error:
            problems.append(FieldError(path, str(error), ProblemCode.UNREADABLE_FILE))
            return None
        except TransferInterrupted as error:
            raise TransferInterrupted(str(FieldError(path, str(error)))) from error

    video = await probe_input("video", request.video, allowed.max_bytes, video_probe)
    audio = {
        item.refId: await probe_input(f"audio[{index}].source", item.source, limits.max_audio_bytes, audio_probe)
        for index, item in enumerate(request.audio)
    }
    found = {ref_id: sound for ref_id, sound in audio.items() if sound is not None}
    if video is not None and len(found) == len(audio):
        problems += validate_media(
            request, video.facts, {ref_id: sound.facts for ref_id, sound in found.items()}, limits
        )
        if not problems:
            return _ValidatedInputs(video, found)
    raise InvalidRequest(problems)


async def _fetch_and_probe(
    stack: AsyncExitStack, source: str, store: ObjectStore, max_bytes: int, probe: Probe[FactsT]
) -> _ValidatedInput[FactsT]:
    """Objects in storage are read in place; anything else is downloaded, and kept until `stack` closes."""
    if is_s3_uri(source):
        stored = await asyncio.to_thread(open_s3, source, store, max_bytes)
        return _ValidatedInput(source, await run_cpu_bound(partial(probe, stored)))
    access = AccessSettings.current()
    coming = fetch_to_temp(
        source, max_bytes=max_bytes, policy=UrlPolicy.for_inputs(access), allow_files=access.allow_local_files
    )
    file = await stack.enter_async_context(coming)
    return _ValidatedInput(file, await run_cpu_bound(partial(probe, file)))


async def _store_inputs(
    run: JobRun, repository: JobRepository, job: VideoJob, store: ObjectStore, inputs: _ValidatedInputs
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
