"""Validate every input, and store it unless it is stored already: the last door before money is spent."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

from tasks.progress import show
from tasks.run import JobRun
from tasks.steps import INPUT_RETRIES, step
from videojobs.errors import InvalidMedia, InvalidRequest, Problem, TransferInterrupted
from videojobs.ledger import Ledger, VideoJob
from videojobs.media.probe import AudioFacts, VideoFacts, inspect_audio, inspect_source_video
from videojobs.media.reach import Reach
from videojobs.media.sources import fetched, is_stored, open_stored
from videojobs.media.store import ObjectStore, audio_key, content_type, video_key
from videojobs.media.workbench import at_the_bench
from videojobs.request import JobRequest
from videojobs.rules import check_media
from videojobs.settings import Access, Limits
from videojobs.states import RULES, Point, progress_within, reached

Facts = TypeVar("Facts", VideoFacts, AudioFacts)
Inspect = Callable[[Path | BinaryIO], Facts]


@step("upload the inputs", retries=INPUT_RETRIES)
async def upload(run: JobRun) -> None:
    """Decode and check all inputs; those that do not lie in our storage are put there. Raises InvalidRequest."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    if reached(job.point, Point.UPLOADED):
        return
    show(job)
    request = JobRequest.model_validate(job.request)
    store = await run.connections.store()
    async with AsyncExitStack() as stack:
        inputs = await _validated(stack, request, store)
        places = await _store(run, ledger, job, store, inputs)
    job = await ledger.advance(
        run.lease,
        Point.UPLOADED,
        metadata={
            "video_s3_url": places["video"],
            "audio_url_mapping": places["audio"],
        },
        facts={
            "inputs": places,
            "video": asdict(inputs.video.facts),
            "audio": {ref_id: asdict(sound.facts) for ref_id, sound in inputs.audio.items()},
        },
    )
    show(job)


@dataclass(frozen=True, slots=True)
class _Input(Generic[Facts]):
    """One file, decoded and found good."""

    place: Path | str  # a file here; or its `s3://` address, where it lies in storage that our keys open
    facts: Facts


@dataclass(frozen=True, slots=True)
class _Inputs:
    """All files of a job."""

    video: _Input[VideoFacts]
    audio: dict[str, _Input[AudioFacts]]  # by refId


async def _validated(stack: AsyncExitStack, request: JobRequest, store: ObjectStore) -> _Inputs:
    """Every file decoded; raises InvalidRequest with what is wrong with any of them."""
    limits = Limits()
    look_at_video = partial(
        inspect_source_video,
        containers=limits.video_containers,
        longest=limits.max_video_seconds,
        most_pixels=limits.max_picture_long_side * limits.max_picture_short_side,
    )
    look_at_audio = partial(inspect_audio, containers=limits.audio_containers, longest=limits.max_audio_seconds)
    problems: list[Problem] = []

    async def look(path: str, source: str, most: int, inspect: Inspect[Facts]) -> _Input[Facts] | None:
        try:
            return await _inspected(stack, source, store, most, inspect)
        except InvalidMedia as error:
            problems.append(Problem(path, str(error)))
            return None
        except TransferInterrupted as error:
            raise TransferInterrupted(str(Problem(path, str(error)))) from error

    video = await look("video", request.video, limits.max_video_bytes, look_at_video)
    audio = {
        item.refId: await look(f"audio[{index}].source", item.source, limits.max_audio_bytes, look_at_audio)
        for index, item in enumerate(request.audio)
    }
    found = {ref_id: sound for ref_id, sound in audio.items() if sound is not None}
    if video is not None and len(found) == len(audio):
        problems += check_media(request, video.facts, {ref_id: sound.facts for ref_id, sound in found.items()}, limits)
        if not problems:
            return _Inputs(video, found)
    raise InvalidRequest(problems)


async def _inspected(
    stack: AsyncExitStack, source: str, store: ObjectStore, most: int, inspect: Inspect[Facts]
) -> _Input[Facts]:
    """What lies in storage is read where it lies; anything else is fetched, and is here until `stack` closes."""
    if is_stored(source):
        stored = await asyncio.to_thread(open_stored, source, store, most)
        return _Input(source, await at_the_bench(partial(inspect, stored)))
    access = Access()
    coming = fetched(source, max_bytes=most, reach=Reach.of_inputs(access), allow_files=access.allow_local_files)
    file = await stack.enter_async_context(coming)
    return _Input(file, await at_the_bench(partial(inspect, file)))


async def _store(run: JobRun, ledger: Ledger, job: VideoJob, store: ObjectStore, inputs: _Inputs) -> dict[str, Any]:
    """The `s3://` addresses of all inputs, once those that were fetched are in the job's folder. Progress rises."""
    video = inputs.video
    key = video_key(job.user_id, job.id, video.facts.container)
    places: dict[str, Any] = {
        "video": await _placed(store, video.place, key, content_type(video.facts.container)),
        "audio": {},
    }
    for done, (ref_id, sound) in enumerate(inputs.audio.items(), start=1):
        share = done / (len(inputs.audio) + 1)
        show(await ledger.tell(run.lease, progress_within(Point.OPENED, share), RULES[Point.OPENED].message))
        container = sound.facts.container
        key = audio_key(job.user_id, job.id, ref_id, container)
        places["audio"][ref_id] = await _placed(store, sound.place, key, content_type(container, sound=True))
    return places


async def _placed(store: ObjectStore, place: Path | str, key: str, media_type: str) -> str:
    if isinstance(place, str):
        return place
    return (await asyncio.to_thread(store.put_file, key, place, media_type)).uri
