"""What the vendors say about the submissions of stuck jobs. Asking is free, and may be repeated."""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from blocks import Connections
from tasks.lip_sync import truth_of as truth_of_generation
from tasks.slots import SYNC_SO_READS, turn
from tasks.text_removal import truth_of as truth_of_work
from videojobs.errors import VideoJobError
from videojobs.ledger import Submission, VideoJob
from videojobs.recovery import Says, Truth
from videojobs.states import Stage
from videojobs.vendors.sync_so.client import SyncSoClient
from videojobs.vendors.sync_so.refusals import GenerationNotFound

# Seconds. Whoever has not answered by then is asked by the next clean-up; a batch must not wait for one job.
_PATIENCE: Final = 30
# Questions to Sync.so, which is asked about each generation by itself.
_AT_ONCE: Final = 5

Question = tuple[VideoJob, Submission]


def connections_of(job: VideoJob, default: Connections) -> Connections:
    """The blocks that the job was opened with."""
    return Connections.model_validate(job.connections) if job.connections else default


async def ask_vendors(questions: Sequence[Question], default: Connections) -> dict[str, Truth]:
    """What became of each submission, by job id. GhostCut gets one request for all that one account has."""

    def account(question: Question) -> tuple[str, str]:
        job, submission = question
        blocks = connections_of(job, default)
        return submission.stage, blocks.sync_so if submission.stage == Stage.LIP_SYNC else blocks.ghostcut

    found: dict[str, Truth] = {}
    for (stage, _), group in groupby(sorted(questions, key=account), account):
        asked = list(group)
        connections = connections_of(asked[0][0], default)
        submissions = [submission for _, submission in asked]
        found |= await (_ask_sync_so if stage == Stage.LIP_SYNC else _ask_ghostcut)(connections, submissions)
    return found


async def _ask_sync_so(connections: Connections, submissions: Sequence[Submission]) -> dict[str, Truth]:
    few = asyncio.Semaphore(_AT_ONCE)

    async def one(client: SyncSoClient, submission: Submission) -> Truth:
        async with few:
            await turn(SYNC_SO_READS)
            return await _generation(client, str(submission.vendor_id))

    try:
        async with connections.sync_so_client() as client:
            truths = await asyncio.gather(*(one(client, submission) for submission in submissions))
    except VideoJobError as error:  # the block
        truths = [Truth(Says.NO_ANSWER, str(error)) for _ in submissions]
    return {submission.job_id: truth for submission, truth in zip(submissions, truths, strict=True)}


async def _generation(client: SyncSoClient, generation_id: str) -> Truth:
    try:
        async with asyncio.timeout(_PATIENCE):
            return truth_of_generation(await client.get(generation_id))
    except GenerationNotFound as error:
        return Truth(Says.UNKNOWN, str(error))
    except (VideoJobError, TimeoutError) as error:
        return _silence("Sync.so", error)


async def _ask_ghostcut(connections: Connections, submissions: Sequence[Submission]) -> dict[str, Truth]:
    jobs = {str(submission.vendor_id): submission.job_id for submission in submissions}
    try:
        async with asyncio.timeout(_PATIENCE), connections.ghostcut_client() as client:
            rows = await client.status(list(jobs))
    except (VideoJobError, TimeoutError) as error:
        return dict.fromkeys(jobs.values(), _silence("GhostCut", error))
    return {job: truth_of_work(rows[id_]) if id_ in rows else Truth(Says.UNKNOWN) for id_, job in jobs.items()}


def _silence(vendor: str, error: Exception) -> Truth:
    return Truth(Says.NO_ANSWER, str(error) or f"{vendor} gave no answer within {_PATIENCE} s")
