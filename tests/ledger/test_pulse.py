"""The leases of a process stay alive as long as it lives, whatever happens to some of them."""

import asyncio
from datetime import datetime
from uuid import uuid4

from sqlalchemy import text

from tests.ledger.conftest import a_request
from videojobs.ledger import Lease, Ledger, engine_for
from videojobs.ledger.pulse import pulse_of

SECONDS = 0.6  # a beat is a third of that


async def at_work(ledger: Ledger) -> Lease:
    """A job of its own, whose lease is about to run out."""
    lease = Lease(f"job-{uuid4()}", "run-1/1")
    await ledger.open(lease.job_id, a_request(), actor="test")
    assert await ledger.claim(lease, seconds=SECONDS) is None
    return lease


async def until(ledger: Ledger, lease: Lease) -> datetime:
    found = (await ledger.job(lease.job_id)).lease_until
    assert found is not None
    return found


async def renewed(ledger: Ledger, lease: Lease) -> None:
    before = await until(ledger, lease)
    async with asyncio.timeout(10):
        while await until(ledger, lease) <= before:  # noqa: ASYNC110  # another task brings it about
            await asyncio.sleep(0.02)


async def test_all_leases_of_a_process_are_renewed_until_they_are_let_go(ledger: Ledger) -> None:
    one, other = await at_work(ledger), await at_work(ledger)
    pulse = pulse_of(ledger, SECONDS)
    with pulse.keeping(one):
        with pulse.keeping(other):
            await asyncio.gather(renewed(ledger, one), renewed(ledger, other))
        last = await until(ledger, other)
        await renewed(ledger, one)
        await renewed(ledger, one)
    assert await until(ledger, other) == last


async def test_a_lease_that_another_run_has_taken_stays_its_and_the_others_are_renewed(
    ledger: Ledger, database_url: str
) -> None:
    lost, kept = await at_work(ledger), await at_work(ledger)
    async with engine_for(database_url).begin() as connection:
        take = text("UPDATE video_jobs SET lease_holder = 'another/1' WHERE id = :id")
        await connection.execute(take, {"id": lost.job_id})
    taken_until = await until(ledger, lost)
    pulse = pulse_of(ledger, SECONDS)
    with pulse.keeping(lost), pulse.keeping(kept):
        await renewed(ledger, kept)
    assert await until(ledger, lost) == taken_until


async def test_a_row_that_somebody_has_locked_holds_up_no_other_lease(ledger: Ledger, database_url: str) -> None:
    locked, free = await at_work(ledger), await at_work(ledger)
    pulse = pulse_of(ledger, SECONDS)
    async with engine_for(database_url).begin() as connection:
        await connection.execute(text("SELECT 1 FROM video_jobs WHERE id = :id FOR UPDATE"), {"id": locked.job_id})
        with pulse.keeping(locked), pulse.keeping(free):
            await renewed(ledger, free)
