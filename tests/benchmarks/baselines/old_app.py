"""A small model of the design that this project replaces: Celery, with a beat that checks all open jobs.

    python -m celery -A tests.benchmarks.baselines.old_app worker --beat --concurrency 2

It keeps the main property: only the beat finds the next action, so the end of a stage is noticed at the next beat. It
omits the old design's bugs. In its favor, the beat checks each job in a separate task, so that both processes share the
work.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import psycopg
from celery import Celery
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.benchmarks.baselines.chain import ChainClient, open_chain_client

T = TypeVar("T")

CREATE_TABLE: Final = """
CREATE TABLE IF NOT EXISTS old_jobs (
    id text PRIMARY KEY, asked jsonb NOT NULL, facts jsonb, generation text, work text, completed_at timestamptz
)"""
_BROKER_FOLDER: Final = os.environ.get("BENCH_BROKER", "")  # the broker's files, which need no service

app = Celery("old-design", broker="filesystem://")
app.conf.update(
    broker_transport_options={
        "data_folder_in": f"{_BROKER_FOLDER}/queue",
        "data_folder_out": f"{_BROKER_FOLDER}/queue",
        "control_folder": f"{_BROKER_FOLDER}/control",
    },
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    beat_schedule={
        "look": {
            "task": "tests.benchmarks.baselines.old_app.look_at_open_jobs",
            "schedule": float(os.environ.get("BENCH_BEAT_SECONDS", "60")),
        }
    },
)


def open_connection() -> psycopg.Connection[dict[str, Any]]:
    return psycopg.connect(os.environ["DATABASE_URL"], row_factory=dict_row)


@app.task
def start_job(job_id: str) -> None:
    """Analyze the inputs and buy the lip-sync."""
    with open_connection() as books:
        job = books.execute("SELECT * FROM old_jobs WHERE id = %s", [job_id]).fetchone()
        if job is None:
            return
        facts = _run_step(lambda chain: chain.analyze_inputs(job_id, job["asked"]))
        generation = _run_step(lambda chain: chain.submit_lip_sync(job_id, job["asked"]))
        books.execute(
            "UPDATE old_jobs SET facts = %s, generation = %s WHERE id = %s", [Jsonb(facts), generation, job_id]
        )


@app.task
def poll_open_jobs() -> None:
    with open_connection() as books:
        found = books.execute("SELECT id FROM old_jobs WHERE generation IS NOT NULL AND completed_at IS NULL")
        for job in found.fetchall():
            poll_job.delay(job["id"])


@app.task
def poll_job(job_id: str) -> None:
    """Poll the job's vendor, and continue if it is done. A concurrent check of the same job is skipped."""
    query = "SELECT * FROM old_jobs WHERE id = %s AND completed_at IS NULL FOR UPDATE SKIP LOCKED"
    with open_connection() as books:
        if job := books.execute(query, [job_id]).fetchone():
            _advance(books, job) if job["work"] is None else _complete(books, job)


def _advance(connection: psycopg.Connection[dict[str, Any]], job: dict[str, Any]) -> None:
    url = _run_step(lambda chain: chain.lip_sync_url(job["generation"], wait=False))
    if url is not None:
        facts = job["facts"] | {"lip_sync": _run_step(lambda chain: chain.store_lip_sync(job["id"], url))}
        work = _run_step(lambda chain: chain.submit_text_removal(job["id"], job["asked"], facts))
        connection.execute("UPDATE old_jobs SET facts = %s, work = %s WHERE id = %s", [Jsonb(facts), work, job["id"]])


def _complete(connection: psycopg.Connection[dict[str, Any]], job: dict[str, Any]) -> None:
    url = _run_step(lambda chain: chain.text_removal_url(job["work"]))
    if url is not None:
        _run_step(lambda chain: chain.store_text_removal(job["id"], url))
        connection.execute("UPDATE old_jobs SET completed_at = clock_timestamp() WHERE id = %s", [job["id"]])


def _run_step(step: Callable[[ChainClient], Awaitable[T]]) -> T:
    async def run() -> T:
        async with open_chain_client() as chain:
            return await step(chain)

    return asyncio.run(run())
