"""What the vendors say about the submissions of stuck jobs. Asking is free, and may be repeated."""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from blocks import Connections
from tasks.lip_sync import to_vendor_status as generation_to_status
from tasks.runtime.concurrency import SYNC_SO_READS, rate_limit
from tasks.text_removal import to_vendor_status as work_to_status
from videojobs.db import Submission, VideoJob
from videojobs.errors import VideoJobError
from videojobs.pipeline.recovery_policy import VendorState, VendorStatus
from videojobs.providers.sync_so.client import SyncSoClient
from videojobs.providers.sync_so.errors import GenerationNotFound
from videojobs.states import Stage

# Seconds. Whoever has not answered by then is asked by the next clean-up; a batch must not wait for one job.
_QUERY_TIMEOUT: Final = 30
# Questions to Sync.so, which is asked about each generation by itself.
_MAX_CONCURRENCY: Final = 5

StatusQuery = tuple[VideoJob, Submission]


def job_connections(job: VideoJob, default: Connections) -> Connections:
    """The blocks that the job was opened with."""
    return Connections.model_validate(job.connections) if job.connections else default


async def query_vendors(queries: Sequence[StatusQuery], default: Connections) -> dict[str, VendorStatus]:
    """What became of each submission, by job id. GhostCut gets one request for all that one account has."""

    def account_key(query: StatusQuery) -> tuple[str, str]:
        job, submission = query
        blocks = job_connections(job, default)
        return submission.stage, blocks.sync_so if submission.stage == Stage.LIP_SYNC else blocks.ghostcut

    found: dict[str, VendorStatus] = {}
    for (stage, _), group in groupby(sorted(queries, key=account_key), account_key):
        batch = list(group)
        connections = job_connections(batch[0][0], default)
        submissions = [submission for _, submission in batch]
        found |= await (_query_sync_so if stage == Stage.LIP_SYNC else _query_ghostcut)(connections, submissions)
    return found


async def _query_sync_so(connections: Connections, submissions: Sequence[Submission]) -> dict[str, VendorStatus]:
    semaphore = asyncio.Semaphore(_MAX_CONCURRENCY)

    async def query_one(client: SyncSoClient, submission: Submission) -> VendorStatus:
        async with semaphore:
            await rate_limit(SYNC_SO_READS)
            return await _query_generation(client, str(submission.vendor_id))

    try:
        async with connections.sync_so_client() as client:
            statuses = await asyncio.gather(*(query_one(client, submission) for submission in submissions))
    except VideoJobError as error:  # the block
        statuses = [VendorStatus(VendorState.NO_ANSWER, str(error)) for _ in submissions]
    return {submission.job_id: truth for submission, truth in zip(submissions, statuses, strict=True)}


async def _query_generation(client: SyncSoClient, generation_id: str) -> VendorStatus:
    try:
        async with asyncio.timeout(_QUERY_TIMEOUT):
            return generation_to_status(await client.get(generation_id))
    except GenerationNotFound as error:
        return VendorStatus(VendorState.NOT_FOUND, str(error))
    except (VideoJobError, TimeoutError) as error:
        return _no_answer("Sync.so", error)


async def _query_ghostcut(connections: Connections, submissions: Sequence[Submission]) -> dict[str, VendorStatus]:
    jobs = {str(submission.vendor_id): submission.job_id for submission in submissions}
    try:
        async with asyncio.timeout(_QUERY_TIMEOUT), connections.ghostcut_client() as client:
            rows = await client.status(list(jobs))
    except (VideoJobError, TimeoutError) as error:
        return dict.fromkeys(jobs.values(), _no_answer("GhostCut", error))
    return {
        job: work_to_status(rows[id_]) if id_ in rows else VendorStatus(VendorState.NOT_FOUND)
        for id_, job in jobs.items()
    }


def _no_answer(vendor: str, error: Exception) -> VendorStatus:
    return VendorStatus(VendorState.NO_ANSWER, str(error) or f"{vendor} gave no answer within {_QUERY_TIMEOUT} s")
