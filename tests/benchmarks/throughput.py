"""Part d: completed jobs per minute when the vendors take no time, and the use of processor time."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.harness import COROUTINE_WORKER, Harness
from tests.benchmarks.profiles import Profile
from tests.benchmarks.resource_usage import cpu_between
from tests.benchmarks.stats import Section, Series, Table, format_number

BASE_TIMEOUT: Final = 120.0  # seconds; each job adds to it
SECONDS_PER_JOB: Final = 15.0
QUICK_POLLS: Final = {
    "VIDEOJOBS_GHOSTCUT_POLL_FIRST_SECONDS": "0.25",
    "VIDEOJOBS_GHOSTCUT_POLL_MAX_SECONDS": "1",
}
SERVICE_LABELS: Final = {
    "worker": "workers",
    "prefect_server": "Prefect server",
    "postgres": "Postgres",
    "sync_so": "Sync.so emulator",
    "ghostcut": "GhostCut emulator",
    "object_store": "object store",
    "api": "API",
}


@dataclass(frozen=True, slots=True)
class ThroughputResult:
    """The results of one batch. `cpu` is each service's time in seconds."""

    workers: int
    jobs: int
    seconds: float
    cpu: Mapping[str, float]


async def measure(profile: Profile, harness: Harness, *, cpu_profile: Path | None = None) -> Section:
    """With `profile`, the flow loop of the first worker is profiled into that file, which slows it down."""
    found = []
    await harness.set_processing_time(0)
    for workers in profile.workers:
        batch_profile = cpu_profile if workers == profile.workers[0] else None
        async with harness.run_workers(workers, settings=QUICK_POLLS, cpu_profile=batch_profile):
            await _measure_batch(harness, workers, 2 * workers, "warm")
            found.append(await _measure_batch(harness, workers, profile.throughput_jobs, "jobs"))
    return _section(profile, found)


async def _measure_batch(harness: Harness, workers: int, jobs: int, name: str) -> ThroughputResult:
    ids = [f"{name}-{workers}-{number:04}" for number in range(jobs)]
    before, began = harness.usage(), time.time()
    await harness.start_jobs(ids)
    completed = await harness.wait_for_completion(ids, BASE_TIMEOUT + SECONDS_PER_JOB * jobs)
    return ThroughputResult(workers, jobs, max(completed.values()) - began, cpu_between(before, harness.usage()))


def _section(profile: Profile, found: Sequence[ThroughputResult]) -> Section:
    rows = [
        (
            str(each.workers),
            format_number(each.jobs / each.seconds * 60, 1),
            format_number(sum(each.cpu.values()) / each.jobs),
            *(format_number(each.cpu.get(part, 0) / each.jobs) for part in SERVICE_LABELS),
        )
        for each in found
    ]
    most = max(found[0].cpu, key=lambda part: found[0].cpu[part])
    return Section(
        letter="d",
        title="Throughput: jobs a minute at no vendor time",
        how=(
            f"{profile.throughput_jobs} chained jobs in one batch, after a few to warm up; the vendors hand the video "
            "through. From the first call of the Prefect API to the last `completed_at`. Then the processor time "
            "for each job, in seconds of one core: of all, and of each part. A machine of two cores has 120 of them "
            "in a minute."
        ),
        table=Table(("workers", "jobs/min", "CPU s/job", *SERVICE_LABELS.values()), rows),
        unit="jobs a minute",
        series=[Series(COROUTINE_WORKER, [(str(each.workers), each.jobs / each.seconds * 60) for each in found])],
        notes=[
            f"Most of it goes to the {SERVICE_LABELS.get(most, most)}: "
            f"{found[0].cpu[most] / sum(found[0].cpu.values()):.0%} of the processor time with one worker."
        ],
    )
