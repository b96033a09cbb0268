"""Part i: whether one worker's memory grows with the number of completed runs."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.harness import COROUTINE_WORKER, Harness
from tests.benchmarks.profiles import Profile
from tests.benchmarks.resource_usage import MIB, ResourceUsage
from tests.benchmarks.stats import Section, Series, Table, Target, format_number
from tests.benchmarks.throughput import BASE_TIMEOUT, QUICK_POLLS, SECONDS_PER_JOB

BATCH: Final = 50  # jobs
SETTLE_SECONDS: Final = 3.0  # for a run's remaining actions after its job is completed
MAX_GROWTH: Final = 0.02  # more memory after all jobs than after half of them; less is noise


@dataclass(frozen=True, slots=True)
class MemorySample:
    """Memory of the worker and the Prefect server after a number of jobs, and the seconds since the previous row."""

    jobs: int
    memory: ResourceUsage
    server: ResourceUsage
    seconds: float


async def measure(profile: Profile, harness: Harness) -> Section:
    found: list[MemorySample] = []
    await harness.set_processing_time(0)
    async with harness.run_workers(settings=QUICK_POLLS):
        done = 0
        for jobs in profile.endurance_jobs:
            samples, seconds = [], 0.0
            while done < jobs:
                batch = [f"endurance-{number:05}" for number in range(done, min(done + BATCH, jobs))]
                began = time.monotonic()
                await harness.start_jobs(batch)
                await harness.wait_for_completion(batch, BASE_TIMEOUT + SECONDS_PER_JOB * len(batch))
                seconds += time.monotonic() - began
                done += len(batch)
                await asyncio.sleep(SETTLE_SECONDS)
                samples.append(harness.usage())
            least = min(samples, key=lambda look: look["worker"].pss)
            found.append(MemorySample(jobs, least["worker"], samples[-1]["prefect_server"], seconds))
    return _section(found)


def _section(found: Sequence[MemorySample]) -> Section:
    half, last = found[(len(found) - 1) // 2], found[-1]
    growth = last.memory.pss / half.memory.pss - 1
    return Section(
        letter="i",
        title="Endurance: memory of one worker over its runs",
        how=(
            f"Chained jobs at no vendor time, one batch of {BATCH} after the other, all by one worker; each is two "
            f"runs in Prefect. Memory is looked at {SETTLE_SECONDS:g} s after each batch, when the worker has no job "
            "in "
            "hand: the least since the row before, as Prefect's client keeps up to 700 events until they are "
            "confirmed. `jobs/min`: batch by batch. `server`: the Prefect server's memory."
        ),
        table=Table(
            ("jobs ended", "PSS MiB", "USS MiB", "jobs/min", "server PSS MiB"),
            [
                (
                    f"{each.jobs:,}",
                    format_number(each.memory.pss / MIB, 1),
                    format_number(each.memory.uss / MIB, 1),
                    format_number((each.jobs - before) / each.seconds * 60, 1),
                    format_number(each.server.pss / MIB, 0),
                )
                for before, each in zip((0, *(each.jobs for each in found)), found, strict=False)
            ],
        ),
        unit="MiB (PSS)",
        series=[Series(COROUTINE_WORKER, [(str(each.jobs), each.memory.pss / MIB) for each in found])],
        targets=[
            Target(
                f"memory flat: at most {MAX_GROWTH:.0%} more after {last.jobs:,} jobs than after {half.jobs:,}",
                f"{growth:+.1%}",
                growth <= MAX_GROWTH,
            )
        ],
    )
