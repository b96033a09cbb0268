"""The vendors' statuses of the submissions of stuck jobs. Queries are free and may be repeated."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from pydantic import ValidationError

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

log = logging.getLogger(__name__)


def job_connections(job: VideoJob, default: Connections) -> Connections:
    """The blocks that the job was created with."""
    return Connections.for_job(job.connections) if job.connections else default


async def query_vendors(queries: Sequence[StatusQuery], default: Connections) -> dict[str, VendorStatus]:
    """The status of each submission, by job id, in as few requests as the provider allows.

    What fails for one job or account is its status; the others are not affected.
    """
    found: dict[str, VendorStatus] = {}
    accounts: dict[tuple[str, str], list[StatusQuery]] = {}
    for job, submission in queries:
        try:
            block_name = job_connections(job, default).block_name(submission.provider)
        except ValidationError as error:
            found[job.id] = _no_answer(f"the connections of job {job.id}", error)
        else:
            accounts.setdefault((submission.provider, block_name), []).append((job, submission))
    for (provider, _), batch in accounts.items():
        jobs = {str(submission.vendor_id): submission.job_id for _, submission in batch}
        try:
            account = VendorAccount(get_provider(provider), job_connections(batch[0][0], default))
            statuses = await _query_account(account, list(jobs))
        except Exception as error:  # a vendor's package may raise anything
            statuses = dict.fromkeys(jobs, _no_answer(f"the provider {provider!r}", error))
        found |= {jobs[id_]: status for id_, status in statuses.items()}
    return found


def _no_answer(what: str, error: Exception) -> VendorStatus:
    log.warning("Cannot use %s (%s: %s)", what, type(error).__name__, error)
    return VendorStatus(VendorState.NO_ANSWER, f"cannot use {what}: {error}")


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
