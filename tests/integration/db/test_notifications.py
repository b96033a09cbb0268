"""A waiter for a job's notifications wakes up when any process sends one."""

import asyncio

from sqlalchemy import text

from videojobs.db import JobRepository, get_engine
from videojobs.db.notifications import CHANNEL


async def send_notification(database_url: str, job_id: str) -> None:
    async with get_engine(database_url).begin() as connection:
        await connection.execute(text("SELECT pg_notify(:channel, :id)"), {"channel": CHANNEL, "id": job_id})


async def wait_until_listening(repository: JobRepository) -> None:
    async with asyncio.timeout(10):
        while not repository.notifications.is_listening:  # noqa: ASYNC110  # Postgres causes the change
            await asyncio.sleep(0.02)


async def test_a_notification_wakes_only_its_jobs_subscribers(repository: JobRepository, database_url: str) -> None:
    mine, others = asyncio.Event(), asyncio.Event()
    with repository.notifications.subscribe("mine", mine.set), repository.notifications.subscribe("others", others.set):
        await wait_until_listening(repository)
        mine.clear()
        others.clear()
        await send_notification(database_url, "mine")
        async with asyncio.timeout(5):
            await mine.wait()
        assert not others.is_set()


async def test_a_lost_connection_is_reopened_and_wakes_all_subscribers(
    repository: JobRepository, database_url: str
) -> None:
    woken = asyncio.Event()
    with repository.notifications.subscribe("job", woken.set):
        await wait_until_listening(repository)
        woken.clear()
        async with get_engine(database_url).begin() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'videojobs "
                    "notifications'"
                )
            )
        async with asyncio.timeout(10):
            await woken.wait()
        await wait_until_listening(repository)


async def test_the_connection_closes_after_the_last_subscriber(repository: JobRepository, database_url: str) -> None:
    with repository.notifications.subscribe("job", lambda: None):
        await wait_until_listening(repository)
    query = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'videojobs notifications'")
    async with asyncio.timeout(10):
        while True:
            async with get_engine(database_url).begin() as connection:
                if await connection.scalar(query) == 0:
                    break
            await asyncio.sleep(0.02)
    assert not repository.notifications.is_listening
