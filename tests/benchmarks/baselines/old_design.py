"""Runs the model of the old design beside the stack, and submits jobs to it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import psycopg
from psycopg.types.json import Jsonb

from tests.benchmarks.baselines.old_app import CREATE_TABLE
from tests.benchmarks.harness import Harness

PROCESSES: Final = 2


@asynccontextmanager
async def run_old_workers(harness: Harness, beat_seconds: float) -> AsyncIterator[None]:
    """Two worker processes and the beat."""
    folder = harness.folder / "broker"
    for name in ("queue", "control"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    async with await _connect(harness) as books:
        await books.execute(CREATE_TABLE)
    command = ("-A", "tests.benchmarks.baselines.old_app", "worker", "--beat", "--schedule", str(folder / "beat"))
    variables = {"BENCH_BROKER": str(folder), "BENCH_BEAT_SECONDS": str(beat_seconds)}
    options = ("--concurrency", str(PROCESSES), "--loglevel", "INFO", "--without-gossip", "--without-mingle")
    async with harness.run_program("old_design", "celery", *command, *options, **variables) as program:

        async def ready() -> bool:
            return program.has_logged("ready.")

        await program.wait_until_ready(ready, timeout=60)
        yield


async def run_old_jobs(harness: Harness, job_ids: Sequence[str], timeout: float) -> dict[str, float]:
    """Submit the jobs, and wait until all are completed; gives each completion time (Unix seconds)."""
    requests = await harness.prepare_requests(job_ids)
    async with await _connect(harness) as books:
        for job_id, request in requests.items():
            await books.execute("INSERT INTO old_jobs (id, asked) VALUES (%s, %s)", [job_id, Jsonb(request)])
    await _enqueue(harness, job_ids)

    async def are_all_completed() -> bool:
        return len(await _completion_times(harness, job_ids)) == len(job_ids)

    await harness.wait_until(are_all_completed, timeout)
    return await _completion_times(harness, job_ids)


async def _enqueue(harness: Harness, job_ids: Sequence[str]) -> None:
    """Submit from another process that knows the broker, like a web server."""
    variables = {"BENCH_BROKER": str(harness.folder / "broker")}
    async with harness.run_program("client", "tests.benchmarks.baselines.old_client", *job_ids, **variables) as client:
        if await client.wait() != 0:
            raise client.error("could not send")


async def _completion_times(harness: Harness, job_ids: Sequence[str]) -> dict[str, float]:
    query = "SELECT id, completed_at FROM old_jobs WHERE id = ANY(%s) AND completed_at IS NOT NULL"
    async with await _connect(harness) as books:
        rows = await (await books.execute(query, [list(job_ids)])).fetchall()
    return {job_id: completed_at.timestamp() for job_id, completed_at in rows}


async def _connect(harness: Harness) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(harness.stack.variables["DATABASE_URL"])
