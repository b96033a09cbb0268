"""Validate every input, then store it: the last door before money is spent."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tasks.progress import show
from tasks.run import JobRun
from tasks.steps import INPUT_RETRIES, step
from videojobs.errors import InvalidMedia, InvalidRequest, Problem, TransferInterrupted
from videojobs.ledger import Ledger, VideoJob
from videojobs.media.probe import AudioFacts, VideoFacts, inspect_audio, inspect_video
from videojobs.media.sources import fetched
from videojobs.media.store import ObjectStore, audio_key, content_type, video_key
from videojobs.request import JobRequest
from videojobs.rules import check_media
from videojobs.settings import Access, Limits
from videojobs.states import RULES, Point, progress_within, reached

Facts = TypeVar("Facts", VideoFacts, AudioFacts)


@step("upload the inputs", retries=INPUT_RETRIES)
async def upload(run: JobRun) -> None:
    """Fetch, decode and check all inputs, then put them into the job's folder. Raises InvalidRequest."""
    ledger = await run.connections.ledger()
    job = await ledger.job(run.job_id)
    if reached(job.point, Point.UPLOADED):
        return
    await show(job)
    request = JobRequest.model_validate(job.request)
    store = await run.connections.store()
    async with AsyncExitStack() as stack:
        inputs = await _validated(stack, request, store)
        keys = await _store(run, ledger, job, store, inputs)
    job = await ledger.advance(
        run.lease,
        Point.UPLOADED,
        metadata={
            "video_s3_url": store.uri(keys["video"]),
            "audio_url_mapping": {ref_id: store.uri(key) for ref_id, key in keys["audio"].items()},
        },
        facts={
            "keys": keys,
            "video": asdict(inputs.video[1]),
            "audio": {ref_id: asdict(facts) for ref_id, (_, facts) in inputs.audio.items()},
        },
    )
    await show(job)


@dataclass(frozen=True, slots=True)
class _Inputs:
    """All files of a job, decoded and found good."""

    video: tuple[Path, VideoFacts]
    audio: dict[str, tuple[Path, AudioFacts]]  # by refId


async def _validated(stack: AsyncExitStack, request: JobRequest, store: ObjectStore) -> _Inputs:
    """Every file here and decoded; raises InvalidRequest with what is wrong with any of them."""
    limits, access = Limits(), Access()
    look_at_video = partial(inspect_video, containers=limits.video_containers, longest=limits.max_video_seconds)
    look_at_audio = partial(inspect_audio, containers=limits.audio_containers, longest=limits.max_audio_seconds)
    problems: list[Problem] = []

    async def look(path: str, source: str, most: int, inspect: Callable[[Path], Facts]) -> tuple[Path, Facts] | None:
        try:
            file = await stack.enter_async_context(
                fetched(
                    source,
                    store,
                    max_bytes=most,
                    allow_http=access.allow_plain_http,
                    allow_files=access.allow_local_files,
                )
            )
            return file, await asyncio.to_thread(inspect, file)
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
    found = {ref_id: pair for ref_id, pair in audio.items() if pair is not None}
    if video is not None and len(found) == len(audio):
        problems += check_media(request, video[1], {ref_id: facts for ref_id, (_, facts) in found.items()}, limits)
        if not problems:
            return _Inputs(video, found)
    raise InvalidRequest(problems)


async def _store(run: JobRun, ledger: Ledger, job: VideoJob, store: ObjectStore, inputs: _Inputs) -> dict[str, Any]:
    """All inputs in the job's folder; gives their keys. Progress rises with each."""
    file, facts = inputs.video
    keys: dict[str, Any] = {"video": video_key(job.user_id, job.id, facts.container), "audio": {}}
    await asyncio.to_thread(store.put_file, keys["video"], file, content_type(facts.container))
    for done, (ref_id, (file, sound)) in enumerate(inputs.audio.items(), start=1):
        share = done / (len(inputs.audio) + 1)
        await show(await ledger.tell(run.lease, progress_within(Point.OPENED, share), RULES[Point.OPENED].message))
        key = audio_key(job.user_id, job.id, ref_id, sound.container)
        await asyncio.to_thread(store.put_file, key, file, content_type(sound.container, sound=True))
        keys["audio"][ref_id] = key
    return keys
