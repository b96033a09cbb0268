"""A job's progress events, for many subscribers at once."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
from sqlalchemy import text

from tests.integration.api.conftest import ApiServer
from tests.integration.api.test_jobs import create_completed_job, create_leased_job
from videojobs.db import get_engine


async def read_events(answer: httpx.Response) -> AsyncIterator[dict[str, Any] | None]:
    """The data of each event; None for a comment."""
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
        elif line.startswith(":"):
            yield None


def open_event_stream(http: httpx.AsyncClient, job_id: str) -> Any:
    return http.stream("GET", f"/api/v1/jobs/{job_id}/events")


async def test_a_stream_sends_the_state_each_change_and_the_end(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    lease = await create_leased_job(api, user)
    async with open_event_stream(http, lease.job_id) as answer, asyncio.timeout(20):
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = (event async for event in read_events(answer) if event is not None)
        assert (await anext(events))["message"] == "Uploading files..."
        await api.repository.update_progress(lease, 5, "Halfway up")
        assert await anext(events) == {
            "job_id": lease.job_id,
            "status": "processing",
            "progress": 5,
            "message": "Halfway up",
            "output_url": None,
            "parked": False,
        }
        await api.repository.park(lease, "nobody knows")
        assert (await anext(events))["parked"] is True
        await api.repository.fail(lease, "given up")
        assert [event["status"] async for event in events] == ["failed"]


async def test_a_stream_of_a_finished_job_sends_its_end_only(
    api: ApiServer, http: httpx.AsyncClient, user: str
) -> None:
    job = await create_completed_job(api, user)
    async with open_event_stream(http, job.id) as answer, asyncio.timeout(10):
        assert [event["status"] async for event in read_events(answer) if event] == ["completed"]


async def test_an_idle_stream_sends_keep_alive_comments(api: ApiServer, http: httpx.AsyncClient, user: str) -> None:
    lease = await create_leased_job(api, user)
    async with open_event_stream(http, lease.job_id) as answer, asyncio.timeout(10):
        events = read_events(answer)
        assert (await anext(events)) is not None
        assert [await anext(events), await anext(events)] == [None, None]


async def test_50_streams_share_postgres_connections_and_all_end(
    api: ApiServer, http: httpx.AsyncClient, user: str, service_variables: dict[str, str]
) -> None:
    leases = [await create_leased_job(api, user) for _ in range(5)]
    statuses: list[str] = []

    async def listen(job_id: str) -> None:
        async with open_event_stream(http, job_id) as answer:
            async for event in read_events(answer):
                if event:
                    statuses.append(event["status"])

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(listen(leases[number % 5].job_id))
        while len(statuses) < 50:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        async with get_engine(service_variables["DATABASE_URL"]).connect() as connection:
            count = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'videojobs%'"
            assert ((await connection.execute(text(count))).scalar_one()) <= 25
        for lease in leases:
            await api.repository.fail(lease, "the end")
    assert statuses.count("failed") == 50
