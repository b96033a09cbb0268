"""A small model of the design that this project replaces: Celery, and a beat that looks at all open jobs.

    python -m celery -A bench.rivals.old_app worker --beat --concurrency 2

Kept from it: what to do next is found out by the beat alone, so the end of a stage is noticed at the next beat. Left
out: its bugs. In its favour: the beat's look at one job is a task of its own, so that both processes share the work.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import psycopg
from celery import Celery
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from bench.rivals.chain import Chain, open_chain

T = TypeVar("T")

TABLE: Final = """
CREATE TABLE IF NOT EXISTS old_jobs (
    id text PRIMARY KEY, asked jsonb NOT NULL, facts jsonb, generation text, work text, completed_at timestamptz
)"""
_FOLDER: Final = os.environ.get("BENCH_BROKER", "")  # the broker: files, which need no service

app = Celery("old-design", broker="filesystem://")
app.conf.update(
    broker_transport_options={
        "data_folder_in": f"{_FOLDER}/queue",
        "data_folder_out": f"{_FOLDER}/queue",
        "control_folder": f"{_FOLDER}/control",
    },
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    beat_schedule={
        "look": {
            "task": "bench.rivals.old_app.look_at_open_jobs",
            "schedule": float(os.environ.get("BENCH_BEAT_SECONDS", "60")),
        }
    },
)


def open_books() -> psycopg.Connection[dict[str, Any]]:
    return psycopg.connect(os.environ["DATABASE_URL"], row_factory=dict_row)


@app.task
def begin(job_id: str) -> None:
    """Take the inputs in and buy the lip-sync."""
    with open_books() as books:
        job = books.execute("SELECT * FROM old_jobs WHERE id = %s", [job_id]).fetchone()
        if job is None:
            return
        facts = _do(lambda chain: chain.take_in(job_id, job["asked"]))
        generation = _do(lambda chain: chain.buy_lip_sync(job_id, job["asked"]))
        books.execute(
            "UPDATE old_jobs SET facts = %s, generation = %s WHERE id = %s", [Jsonb(facts), generation, job_id]
        )


@app.task
def look_at_open_jobs() -> None:
    with open_books() as books:
        found = books.execute("SELECT id FROM old_jobs WHERE generation IS NOT NULL AND completed_at IS NULL")
        for job in found.fetchall():
            look_at.delay(job["id"])


@app.task
def look_at(job_id: str) -> None:
    """Ask the vendor that has the job, and go on if it is done. A second look at the same job steps aside."""
    query = "SELECT * FROM old_jobs WHERE id = %s AND completed_at IS NULL FOR UPDATE SKIP LOCKED"
    with open_books() as books:
        if job := books.execute(query, [job_id]).fetchone():
            _go_on(books, job) if job["work"] is None else _finish(books, job)


def _go_on(books: psycopg.Connection[dict[str, Any]], job: dict[str, Any]) -> None:
    url = _do(lambda chain: chain.lip_sync_result(job["generation"], wait=False))
    if url is not None:
        facts = job["facts"] | {"lip_sync": _do(lambda chain: chain.store_lip_sync(job["id"], url))}
        work = _do(lambda chain: chain.buy_text_removal(job["id"], job["asked"], facts))
        books.execute("UPDATE old_jobs SET facts = %s, work = %s WHERE id = %s", [Jsonb(facts), work, job["id"]])


def _finish(books: psycopg.Connection[dict[str, Any]], job: dict[str, Any]) -> None:
    url = _do(lambda chain: chain.text_removal_result(job["work"]))
    if url is not None:
        _do(lambda chain: chain.store_text_removal(job["id"], url))
        books.execute("UPDATE old_jobs SET completed_at = clock_timestamp() WHERE id = %s", [job["id"]])


def _do(step: Callable[[Chain], Awaitable[T]]) -> T:
    async def done() -> T:
        async with open_chain() as chain:
            return await step(chain)

    return asyncio.run(done())
