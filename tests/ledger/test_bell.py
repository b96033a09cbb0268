"""Who waits for news about a job is woken by whoever has some, in whichever process."""

import asyncio

from sqlalchemy import text

from videojobs.ledger import Ledger, engine_for
from videojobs.ledger.bell import CHANNEL


async def rung(database_url: str, job_id: str) -> None:
    async with engine_for(database_url).begin() as connection:
        await connection.execute(text("SELECT pg_notify(:channel, :id)"), {"channel": CHANNEL, "id": job_id})


async def up(ledger: Ledger) -> None:
    async with asyncio.timeout(10):
        while not ledger.bell.is_listening:  # noqa: ASYNC110  # Postgres brings it about
            await asyncio.sleep(0.02)


async def test_a_ring_wakes_who_waits_for_this_job_and_nobody_else(ledger: Ledger, database_url: str) -> None:
    mine, others = asyncio.Event(), asyncio.Event()
    with ledger.bell.heard_by("mine", mine.set), ledger.bell.heard_by("others", others.set):
        await up(ledger)
        mine.clear()
        others.clear()
        await rung(database_url, "mine")
        async with asyncio.timeout(5):
            await mine.wait()
        assert not others.is_set()


async def test_when_the_connection_is_lost_it_listens_again_and_wakes_all_since_a_ring_may_be_missed(
    ledger: Ledger, database_url: str
) -> None:
    woken = asyncio.Event()
    with ledger.bell.heard_by("job", woken.set):
        await up(ledger)
        woken.clear()
        async with engine_for(database_url).begin() as connection:
            await connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'videojobs bell'")
            )
        async with asyncio.timeout(10):
            await woken.wait()
        await up(ledger)


async def test_when_nobody_waits_any_more_no_connection_is_held(ledger: Ledger, database_url: str) -> None:
    with ledger.bell.heard_by("job", lambda: None):
        await up(ledger)
    query = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'videojobs bell'")
    async with asyncio.timeout(10):
        while True:
            async with engine_for(database_url).begin() as connection:
                if await connection.scalar(query) == 0:
                    break
            await asyncio.sleep(0.02)
    assert not ledger.bell.is_listening
