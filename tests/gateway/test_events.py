"""A job's progress as it happens, for many listeners at once."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
from sqlalchemy import text

from tests.gateway.conftest import OpenDoor
from tests.gateway.test_jobs import completed, held
from videojobs.ledger import engine_for


async def told(answer: httpx.Response) -> AsyncIterator[dict[str, Any] | None]:
    """The data of each event; None for a comment."""
    async for line in answer.aiter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
        elif line.startswith(":"):
            yield None


def stream(http: httpx.AsyncClient, job_id: str) -> Any:
    return http.stream("GET", f"/api/v1/jobs/{job_id}/events")


async def test_a_listener_hears_how_it_stands_each_change_and_the_end(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    lease = await held(door, user)
    async with stream(http, lease.job_id) as answer, asyncio.timeout(20):
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = (event async for event in told(answer) if event is not None)
        assert (await anext(events))["message"] == "Uploading files..."
        await door.ledger.tell(lease, 5, "Halfway up")
        assert await anext(events) == {
            "job_id": lease.job_id,
            "status": "processing",
            "progress": 5,
            "message": "Halfway up",
            "output_url": None,
            "parked": False,
        }
        await door.ledger.park(lease, "nobody knows")
        assert (await anext(events))["parked"] is True
        await door.ledger.fail(lease, "given up")
        assert [event["status"] async for event in events] == ["failed"]


async def test_of_a_job_that_has_ended_a_listener_hears_that_only(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    job = await completed(door, user)
    async with stream(http, job.id) as answer, asyncio.timeout(10):
        assert [event["status"] async for event in told(answer) if event] == ["completed"]


async def test_while_nothing_happens_the_connection_is_kept_open(
    door: OpenDoor, http: httpx.AsyncClient, user: str
) -> None:
    lease = await held(door, user)
    async with stream(http, lease.job_id) as answer, asyncio.timeout(10):
        events = told(answer)
        assert (await anext(events)) is not None
        assert [await anext(events), await anext(events)] == [None, None]


async def test_fifty_listeners_cost_no_connections_to_postgres_and_all_hear_the_end(
    door: OpenDoor, http: httpx.AsyncClient, user: str, ground_variables: dict[str, str]
) -> None:
    leases = [await held(door, user) for _ in range(5)]
    heard: list[str] = []

    async def listen(job_id: str) -> None:
        async with stream(http, job_id) as answer:
            async for event in told(answer):
                if event:
                    heard.append(event["status"])

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(listen(leases[number % 5].job_id))
        while len(heard) < 50:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        async with engine_for(ground_variables["DATABASE_URL"]).connect() as connection:
            count = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'videojobs%'"
            assert ((await connection.execute(text(count))).scalar_one()) <= 25
        for lease in leases:
            await door.ledger.fail(lease, "the end")
    assert heard.count("failed") == 50
