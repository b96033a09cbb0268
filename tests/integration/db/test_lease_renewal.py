"""A process renews its leases as long as it lives, whatever happens to some of them."""

import asyncio
from datetime import datetime
from uuid import uuid4

from sqlalchemy import text

from tests.integration.db.conftest import make_request
from videojobs.db import JobRepository, Lease, get_engine
from videojobs.db.lease_renewal import lease_renewer_for

LEASE_SECONDS = 0.6  # renewed every third of that


async def create_short_lease(repository: JobRepository) -> Lease:
    """A job of its own, whose lease is about to expire."""
    lease = Lease(f"job-{uuid4()}", "run-1/1")
    await repository.create(lease.job_id, make_request(), actor="test")
    assert await repository.acquire_lease(lease, seconds=LEASE_SECONDS) is None
    return lease


async def lease_end(repository: JobRepository, lease: Lease) -> datetime:
    found = (await repository.get_job(lease.job_id)).lease_until
    assert found is not None
    return found


async def wait_until_renewed(repository: JobRepository, lease: Lease) -> None:
    before = await lease_end(repository, lease)
    async with asyncio.timeout(10):
        while await lease_end(repository, lease) <= before:  # noqa: ASYNC110  # another task causes the change
            await asyncio.sleep(0.02)


async def test_all_leases_of_a_process_are_renewed_until_released(repository: JobRepository) -> None:
    one, other = await create_short_lease(repository), await create_short_lease(repository)
    pulse = lease_renewer_for(repository, LEASE_SECONDS)
    with pulse.renewing(one):
        with pulse.renewing(other):
            await asyncio.gather(wait_until_renewed(repository, one), wait_until_renewed(repository, other))
        last = await lease_end(repository, other)
        await wait_until_renewed(repository, one)
        await wait_until_renewed(repository, one)
    assert await lease_end(repository, other) == last


async def test_a_lease_lost_to_another_run_is_not_renewed(repository: JobRepository, database_url: str) -> None:
    lost, kept = await create_short_lease(repository), await create_short_lease(repository)
    async with get_engine(database_url).begin() as connection:
        take = text("UPDATE video_jobs SET lease_holder = 'another/1' WHERE id = :id")
        await connection.execute(take, {"id": lost.job_id})
    taken_until = await lease_end(repository, lost)
    pulse = lease_renewer_for(repository, LEASE_SECONDS)
    with pulse.renewing(lost), pulse.renewing(kept):
        await wait_until_renewed(repository, kept)
    assert await lease_end(repository, lost) == taken_until


async def test_a_locked_row_delays_no_other_lease_renewal(repository: JobRepository, database_url: str) -> None:
    locked, free = await create_short_lease(repository), await create_short_lease(repository)
    pulse = lease_renewer_for(repository, LEASE_SECONDS)
    async with get_engine(database_url).begin() as connection:
        await connection.execute(text("SELECT 1 FROM video_jobs WHERE id = :id FOR UPDATE"), {"id": locked.job_id})
        with pulse.renewing(locked), pulse.renewing(free):
            await wait_until_renewed(repository, free)
