"""What the rivals' programs have in common: jobs out of a file, a report into one.

python -m bench.rivals.bare REQUESTS.json REPORT.jsonl [--one-by-one]
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.loop_lag import note_lag

Run = Callable[[str, dict[str, Any]], Awaitable[float]]
"""Does one job; gives the seconds that its transfers took (0 where they are not measured)."""


async def run_all(run: Run) -> None:
    """Do the jobs that the command line names, all at once or one by one, and report each as it ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("requests", type=Path)
    parser.add_argument("report", type=Path)
    parser.add_argument("--one-by-one", action="store_true")
    given = parser.parse_args()
    requests = json.loads(given.requests.read_text())
    lag = asyncio.create_task(note_lag(Path(os.environ["BENCH_LAG_FILE"])))

    async def one(job_id: str, asked: dict[str, Any]) -> None:
        began = time.time()
        transfers = await run(job_id, asked)
        line = {"job": job_id, "seconds": time.time() - began, "transfers": transfers}
        with given.report.open("a") as report:
            report.write(json.dumps(line) + "\n")

    if given.one_by_one:
        for job_id, asked in requests.items():
            await one(job_id, asked)
    else:
        await asyncio.gather(*(one(job_id, asked) for job_id, asked in requests.items()))
    lag.cancel()


def read_report(file: Path) -> list[dict[str, Any]]:
    """The lines of the jobs that have ended."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
