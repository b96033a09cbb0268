"""The vendors' statuses of the submissions of stuck jobs. Queries are free and may be repeated."""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from blocks import Connections
from tasks.runtime.vendor_account import VendorAccount
from videojobs.db import Submission, VideoJob
from videojobs.errors import VideoJobError
from videojobs.providers.base import VendorState, VendorStatus
from videojobs.providers.registry import get_provider

# Seconds, for one request. The next clean-up asks again; the other jobs of this one must not wait.
_QUERY_TIMEOUT: Final = 30

StatusQuery = tuple[VideoJob, Submission]


def job_connections(job: VideoJob, default: Connections) -> Connections:
    """The blocks that the job was created with."""
    return Connections.model_validate(job.connections) if job.connections else default


async def query_vendors(queries: Sequence[StatusQuery], default: Connections) -> dict[str, VendorStatus]:
    """The status of each submission, by job id. One request for all submissions of an account, as far as they fit."""

    def account_key(query: StatusQuery) -> tuple[str, str]:
        job, submission = query
        return submission.provider, job_connections(job, default).block_name(submission.provider)

    found: dict[str, VendorStatus] = {}
    for (provider, _), group in groupby(sorted(queries, key=account_key), account_key):
        batch = list(group)
        account = VendorAccount(get_provider(provider), job_connections(batch[0][0], default))
        jobs = {str(submission.vendor_id): submission.job_id for _, submission in batch}
        ids, size = list(jobs), account.provider.poll_timings.max_batch
        for first in range(0, len(ids), size):
            statuses = await _query(account, ids[first : first + size])
            found |= {jobs[id_]: status for id_, status in statuses.items()}
    return found


async def _query(account: VendorAccount, vendor_ids: Sequence[str]) -> dict[str, VendorStatus]:
    await account.pace_read()
    try:
        async with asyncio.timeout(_QUERY_TIMEOUT):
            found = await account.query(vendor_ids)
    except (VideoJobError, TimeoutError) as error:
        vendor = account.provider.display_name
        reason = str(error) or f"{vendor} gave no answer within {_QUERY_TIMEOUT} s"
        return dict.fromkeys(vendor_ids, VendorStatus(VendorState.NO_ANSWER, reason))
    return {id_: found.get(id_, VendorStatus(VendorState.NOT_FOUND)) for id_ in vendor_ids}
