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

# Seconds, for one request. The next clean-up queries again; one slow vendor must not delay the other jobs.
_QUERY_TIMEOUT: Final = 30
_MAX_CONCURRENCY: Final = 5  # requests to an account

StatusQuery = tuple[VideoJob, Submission]


def job_connections(job: VideoJob, default: Connections) -> Connections:
    """The blocks that the job was created with."""
    return Connections.model_validate(job.connections) if job.connections else default


async def query_vendors(queries: Sequence[StatusQuery], default: Connections) -> dict[str, VendorStatus]:
    """The status of each submission, by job id, in as few requests as the provider allows."""

    def account_key(query: StatusQuery) -> tuple[str, str]:
        job, submission = query
        return submission.provider, job_connections(job, default).block_name(submission.provider)

    found: dict[str, VendorStatus] = {}
    for (provider, _), group in groupby(sorted(queries, key=account_key), account_key):
        batch = list(group)
        account = VendorAccount(get_provider(provider), job_connections(batch[0][0], default))
        jobs = {str(submission.vendor_id): submission.job_id for _, submission in batch}
        found |= {jobs[id_]: status for id_, status in (await _query_account(account, list(jobs))).items()}
    return found


async def _query_account(account: VendorAccount, vendor_ids: Sequence[str]) -> dict[str, VendorStatus]:
    """A decision may fail or park a job, so it needs the vendor's current status."""
    size = 1 if account.provider.capabilities.list_may_lag else account.provider.poll_timings.max_batch
    semaphore = asyncio.Semaphore(_MAX_CONCURRENCY)

    async def query_batch(first: int) -> dict[str, VendorStatus]:
        async with semaphore:
            return await _query(account, vendor_ids[first : first + size])

    batches = await asyncio.gather(*(query_batch(first) for first in range(0, len(vendor_ids), size)))
    return {id_: status for batch in batches for id_, status in batch.items()}


async def _query(account: VendorAccount, vendor_ids: Sequence[str]) -> dict[str, VendorStatus]:
    await account.pace_read()
    try:
        async with asyncio.timeout(_QUERY_TIMEOUT):
            found = await account.query(vendor_ids)
    except (VideoJobError, TimeoutError) as error:
        vendor = account.provider.display_name
        reason = str(error) or f"{vendor} did not respond within {_QUERY_TIMEOUT} s"
        return dict.fromkeys(vendor_ids, VendorStatus(VendorState.NO_ANSWER, reason))
    return {id_: found.get(id_, VendorStatus(VendorState.NOT_FOUND)) for id_ in vendor_ids}
