"""Runs the model of the old design beside the stack, and gives it jobs."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import psycopg
from psycopg.types.json import Jsonb

from bench.rivals.old_app import TABLE
from bench.stand import Stand

PROCESSES: Final = 2


@asynccontextmanager
async def old_workers(stand: Stand, beat_seconds: float) -> AsyncIterator[None]:
    """Two worker processes and the beat."""
    folder = stand.folder / "broker"
    for name in ("queue", "control"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    async with await _books(stand) as books:
        await books.execute(TABLE)
    command = ("-A", "bench.rivals.old_app", "worker", "--beat", "--schedule", str(folder / "beat"))
    variables = {"BENCH_BROKER": str(folder), "BENCH_BEAT_SECONDS": str(beat_seconds)}
    options = ("--concurrency", str(PROCESSES), "--loglevel", "INFO", "--without-gossip", "--without-mingle")
    async with stand.program("old_design", "celery", *command, *options, **variables) as program:

        async def ready() -> bool:
            return program.has_logged("ready.")

        await program.until(ready, patience=60)
        yield


async def start_old_jobs(stand: Stand, job_ids: Sequence[str], patience: float) -> dict[str, float]:
    """Give it the jobs; when each was completed (Unix seconds), once all are."""
    asked = await stand.asked(job_ids)
    async with await _books(stand) as books:
        for job_id, request in asked.items():
            await books.execute("INSERT INTO old_jobs (id, asked) VALUES (%s, %s)", [job_id, Jsonb(request)])
    await _send(stand, job_ids)

    async def all_over() -> bool:
        return len(await _completed(stand, job_ids)) == len(job_ids)

    await stand.until(all_over, patience)
    return await _completed(stand, job_ids)


async def _send(stand: Stand, job_ids: Sequence[str]) -> None:
    """From a process that knows the broker, as a web server of its own would."""
    variables = {"BENCH_BROKER": str(stand.folder / "broker")}
    async with stand.program("client", "bench.rivals.old_client", *job_ids, **variables) as client:
        if await client.ended() != 0:
            raise client.failure("could not send")


async def _completed(stand: Stand, job_ids: Sequence[str]) -> dict[str, float]:
    query = "SELECT id, completed_at FROM old_jobs WHERE id = ANY(%s) AND completed_at IS NOT NULL"
    async with await _books(stand) as books:
        rows = await (await books.execute(query, [list(job_ids)])).fetchall()
    return {job_id: completed_at.timestamp() for job_id, completed_at in rows}


async def _books(stand: Stand) -> psycopg.AsyncConnection:
    return await psycopg.AsyncConnection.connect(stand.stack.variables["DATABASE_URL"])
