"""Validate every input, then store it: the last door before money is spent."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.progress import show
from tasks.retrying import BACKOFF, RETRIES, heals
from tasks.run import JobRun
from videojobs.errors import Final, InvalidRequest, Problem
from videojobs.ledger import Ledger
from videojobs.media.probe import AudioFacts, VideoFacts, inspect_audio, inspect_video
from videojobs.media.sources import fetched
from videojobs.media.store import ObjectStore, audio_key, content_type, video_key
from videojobs.request import JobRequest
from videojobs.rules import check_media
from videojobs.settings import Access, Limits
from videojobs.states import RULES, Point, progress_within, reached


@task(
    name="upload",
    task_run_name="upload the inputs",
    retries=RETRIES,
    retry_delay_seconds=BACKOFF,
    retry_condition_fn=heals,
    cache_policy=NO_CACHE,
)
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
        files = await _fetch(stack, request, store)
        video, audio = await _inspect(request, files)
        if problems := check_media(request, video, audio, Limits()):
            raise InvalidRequest(problems)
        stored = await _store(run, ledger, request, store, files, video, audio)
    job = await ledger.advance(
        run.lease,
        Point.UPLOADED,
        metadata={
            "video_s3_url": store.uri(stored[_VIDEO]),
            "audio_url_mapping": {file.refId: store.uri(stored[file.refId]) for file in request.audio},
        },
        facts={
            "video": asdict(video),
            "audio": {ref_id: asdict(facts) for ref_id, facts in audio.items()},
            "keys": stored,
        },
    )
    await show(job)
