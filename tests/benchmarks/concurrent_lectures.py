"""Part h: many lectures at once on one worker, through the whole stack: duration and memory."""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from tasks.runtime.deployment_names import JOB_DEPLOYMENTS
from tests.benchmarks.harness import Harness
from tests.benchmarks.lecture import MINUTE, SAMPLE_LECTURE
from tests.benchmarks.profiles import Profile
from tests.benchmarks.resource_usage import MIB
from tests.benchmarks.stats import Section, Series, Table, Target, format_number
from tests.support.sample_lecture import SPEECH_SECONDS
from videojobs.states import JobKind

KEY: Final = "bench/lecture.mp4"
DEPLOYMENT: Final = JOB_DEPLOYMENTS[JobKind.LECTURE]
POLL_INTERVAL: Final = 0.5
TIMEOUT: Final = 1800.0  # seconds
WORKER: Final = "worker"


@dataclass(frozen=True, slots=True)
class ConcurrencyResult:
    """The results for one number of concurrent lectures."""

    count: int
    seconds: float  # from the first request until all are completed
    cpu: float  # seconds of the worker
    idle: float  # MiB of the worker before
    peak: float  # MiB of the worker with all its children


async def measure(profile: Profile, harness: Harness) -> Section:
    path = harness.folder / "lecture.mp4"
    await asyncio.to_thread(SAMPLE_LECTURE.write, path)
    await asyncio.to_thread(harness.store.put_file, KEY, path, "video/mp4")
    return _section([await _measure_count(harness, count) for count in (1, profile.lectures_at_once)])


async def _measure_count(harness: Harness, count: int) -> ConcurrencyResult:
    deployment = (await harness.prefect.read_deployment_by_name(DEPLOYMENT)).id
    jobs = [f"bench-{count}-lectures-{number}" for number in range(count)]
    async with harness.run_workers():
        before = harness.usage()[WORKER]
        began = time.time()
        for job in jobs:
            parameters = {"video": harness.store.uri(KEY), "user_id": "bench", "job_id": job}
            await harness.prefect.create_flow_run_from_deployment(deployment, parameters=parameters, name=job)
        completing = asyncio.create_task(harness.wait_for_completion(jobs, TIMEOUT))
        peak, cpu = before.pss, before.cpu
        while not completing.done():
            usage = await asyncio.to_thread(harness.usage)
            peak, cpu = max(peak, usage[WORKER].pss), max(cpu, usage[WORKER].cpu)
            await asyncio.wait([completing], timeout=POLL_INTERVAL)
        ended = max((await completing).values())
    return ConcurrencyResult(count, ended - began, cpu - before.cpu, before.pss / MIB, peak / MIB)


def _section(found: list[ConcurrencyResult]) -> Section:
    minutes = SPEECH_SECONDS / MINUTE
    one, many = found
    rows = [
        (
            str(each.count),
            format_number(each.seconds),
            format_number(each.seconds / each.count / minutes),
            format_number(each.cpu / each.count / minutes),
            format_number(each.idle, 0),
            format_number(each.peak, 0),
        )
        for each in found
    ]
    return Section(
        letter="h",
        title="Many lectures at once on one worker",
        how=(
            f"Lectures of {SPEECH_SECONDS:.0f} s as in part g, started through the Prefect API at the same moment "
            "and run by "
            "one worker: fetched from the store, checked, recognised, written, stored and published. Seconds until all "
            "are completed; seconds and the worker's processor seconds for each minute of one video; the worker's "
            "memory with all that it has started (PSS, MiB), at rest before and at most."
        ),
        table=Table(("lectures", "seconds", "s/min", "CPU s/min", "MiB before", "MiB at most"), rows),
        unit="MiB at most",
        series=[Series("one worker", [(f"{each.count} at once", each.peak) for each in found])],
        targets=[
            Target(
                f"{many.count} lectures at once need at most twice the memory of one",
                f"{many.peak:.0f} MiB against {one.peak:.0f} MiB",
                many.peak <= 2 * one.peak,
            )
        ],
    )
