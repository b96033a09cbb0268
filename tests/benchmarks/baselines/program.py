"""Code shared by the baseline programs: read jobs from a file, write a report.

    python -m tests.benchmarks.baselines.bare [--one-by-one] REPORT.jsonl REQUESTS.json ...

The files of requests are started in order, each as soon as it exists.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.loop_lag import record_lag

POLL_INTERVAL: Final = 0.2

RunJob = Callable[[str, dict[str, Any]], Awaitable[float]]
"""Runs one job; gives the duration of its transfers in seconds (0 if they are not measured)."""


async def run_all(run: RunJob) -> None:
    """Run the jobs that the command line names, all at once or one by one, and report each as it ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("report", type=Path)
    parser.add_argument("requests", type=Path, nargs="+")
    parser.add_argument("--one-by-one", action="store_true")
    given = parser.parse_args()
    lag = asyncio.create_task(record_lag(Path(os.environ["BENCH_LAG_FILE"])))

    async def run_and_report(job_id: str, raw_request: dict[str, Any]) -> None:
        began = time.time()
        transfers = await run(job_id, raw_request)
        line = {"job": job_id, "seconds": time.time() - began, "transfers": transfers}
        with given.report.open("a") as report:
            report.write(json.dumps(line) + "\n")

    async with asyncio.TaskGroup() as group:
        for file in given.requests:
            for job_id, asked in (await _wait_for_requests(file)).items():
                begun = group.create_task(run_and_report(job_id, asked))
                if given.one_by_one:
                    await begun
    lag.cancel()


async def _wait_for_requests(file: Path) -> dict[str, dict[str, Any]]:
    """The jobs of a file, once it exists."""
    while not await asyncio.to_thread(file.exists):  # noqa: ASYNC110  # another process creates it
        await asyncio.sleep(POLL_INTERVAL)
    requests: dict[str, dict[str, Any]] = json.loads(await asyncio.to_thread(file.read_text))
    return requests


def read_report(file: Path) -> list[dict[str, Any]]:
    """The report's lines, one for each job that has ended."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
