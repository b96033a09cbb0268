"""Part d: jobs completed a minute when the vendors take no time, and where the processor time goes."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import Section, Series, Table, shown
from bench.forms import Form
from bench.stand import OURS, Stand
from bench.usage import cpu_between

PATIENCE: Final = 120.0  # seconds, and for each job
SECONDS_A_JOB: Final = 15.0
QUICK_POLLS: Final = {
    "VIDEOJOBS_GHOSTCUT_POLL_FIRST_SECONDS": "0.25",
    "VIDEOJOBS_GHOSTCUT_POLL_MAX_SECONDS": "1",
}
PARTS: Final = {
    "worker": "workers",
    "prefect_server": "Prefect server",
    "postgres": "Postgres",
    "sync_so": "Sync.so emulator",
    "ghostcut": "GhostCut emulator",
    "object_store": "object store",
    "gateway": "gateway",
}


@dataclass(frozen=True, slots=True)
class Rate:
    """Of one batch. `cpu`: seconds of each part."""

    workers: int
    jobs: int
    seconds: float
    cpu: Mapping[str, float]


async def measure(form: Form, stand: Stand, *, profile: Path | None = None) -> Section:
    """With `profile`, the loop of the first worker's flows is profiled into that file, which makes it slower."""
    found = []
    await stand.set_clock(0)
    for workers in form.workers:
        watched = profile if workers == form.workers[0] else None
        async with stand.workers(workers, settings=QUICK_POLLS, profile=watched):
            await _batch(stand, workers, 2 * workers, "warm")
            found.append(await _batch(stand, workers, form.throughput_jobs, "jobs"))
    return _section(form, found)


async def _batch(stand: Stand, workers: int, jobs: int, name: str) -> Rate:
    ids = [f"{name}-{workers}-{number:04}" for number in range(jobs)]
    before, began = stand.usage(), time.time()
    await stand.start_jobs(ids)
    completed = await stand.completed(ids, PATIENCE + SECONDS_A_JOB * jobs)
    return Rate(workers, jobs, max(completed.values()) - began, cpu_between(before, stand.usage()))


def _section(form: Form, found: Sequence[Rate]) -> Section:
    rows = [
        (
            str(each.workers),
            shown(each.jobs / each.seconds * 60, 1),
            shown(sum(each.cpu.values()) / each.jobs),
            *(shown(each.cpu.get(part, 0) / each.jobs) for part in PARTS),
        )
        for each in found
    ]
    most = max(found[0].cpu, key=lambda part: found[0].cpu[part])
    return Section(
        letter="d",
        title="Throughput: jobs a minute at no vendor time",
        how=(
            f"{form.throughput_jobs} chained jobs in one batch, after a few to warm up; the vendors hand the video "
            "through. From the first call of the Prefect API to the last `completed_at`. Then the processor time "
            "for each job, in seconds of one core: of all, and of each part. A machine of two cores has 120 of them "
            "in a minute."
        ),
        table=Table(("workers", "jobs/min", "CPU s/job", *PARTS.values()), rows),
        unit="jobs a minute",
        series=[Series(OURS, [(str(each.workers), each.jobs / each.seconds * 60) for each in found])],
        notes=[
            f"Most of it goes to the {PARTS.get(most, most)}: "
            f"{found[0].cpu[most] / sum(found[0].cpu.values()):.0%} of the processor time with one worker."
        ],
    )
