"""Part c: memory, processor time, loop lag and vendor requests of waiting jobs."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from tests.benchmarks.baselines.runs import DBOS, PROCESS_NAME, run_baseline
from tests.benchmarks.harness import COROUTINE_WORKER, STOCK_POOL, Harness
from tests.benchmarks.loop_lag import read_lags
from tests.benchmarks.profiles import Profile
from tests.benchmarks.resource_usage import MIB, ResourceUsage, cpu_between
from tests.benchmarks.stats import Section, Series, Table, Target, format_number, percentile

NEVER_ENDING_SECONDS: Final = 100_000.0  # seconds of vendor processing: nothing ends during the measurement
START_SECONDS_PER_JOB: Final = 6.0  # seconds at most until a job is at its vendor
BASE_TIMEOUT: Final = 180.0  # in addition
# With more, requests leave the Prefect server's event consumer too little of its loop: it soon is thousands of events
# behind. The rate of started jobs does not increase either.
MAX_STARTING: Final = 12
LAG_LIMIT: Final = 0.1  # seconds
# As recommended for thousands of runs (README, "Workers"), for the workers and for the registration.
LARGE_SCALE_SETTINGS: Final = {
    "VIDEOJOBS_WORKER_HEARTBEAT_SECONDS": "900",
    "VIDEOJOBS_HEARTBEAT_TIMEOUT_SECONDS": "3000",
    "VIDEOJOBS_PENDING_TIMEOUT_SECONDS": "3000",
    "VIDEOJOBS_SLOT_LEASE_SECONDS": "1800",
    "VIDEOJOBS_POLL_ATTEMPT_SECONDS": "7200",
}
KINDS: Final = (COROUTINE_WORKER, DBOS, STOCK_POOL)
VENDORS: Final = ("sync_so", "ghostcut")
MEMORY_LIMITS: Final = {1000: 400, 5000: 1024}  # MiB, by jobs


StartFunction = Callable[[Sequence[str], bool], Awaitable[None]]
"""Starts jobs; the flag marks the second half."""
OpenHarness = Callable[[], AbstractAsyncContextManager[Harness]]


@dataclass(frozen=True, slots=True)
class DensityResult:
    """Results for a number of jobs in flight, half of them at each vendor. Rates are per job and minute."""

    kind: str
    jobs: int
    memory: ResourceUsage
    idle: ResourceUsage
    cpu: float  # seconds
    server_cpu: float  # seconds, of the Prefect server and Postgres
    lag_p99: float  # seconds; NaN if there is no loop to monitor
    lag_max: float
    sync_so: float  # status requests
    ghostcut: float
    ramp_up_seconds: float  # seconds until all were at their vendors
    extrapolated: bool = False


async def measure(profile: Profile, open_harness: OpenHarness) -> AsyncIterator[Section]:
    """The section after each number of jobs: the largest takes longer than all others together.

    Each number has its own harness, and our worker comes last: its stopped runs would come back during other
    measurements.
    """
    found: list[DensityResult] = []
    for jobs in profile.density_jobs:
        async with open_harness() as stand:
            late = next((each for each in found if each.kind == DBOS and each.lag_p99 >= LAG_LIMIT), None)
            found.append(_extrapolate(late, jobs) if late else await _measure_count(profile, stand, DBOS, jobs))
            if jobs == profile.density_jobs[0]:
                stock = await _measure_count(profile, stand, STOCK_POOL, profile.density_processes)
                found.append(stock)
            found += [await _measure_count(profile, stand, COROUTINE_WORKER, jobs), _extrapolate(stock, jobs)]
        yield _section(profile, sorted(found, key=lambda each: KINDS.index(each.kind)))


async def _measure_count(profile: Profile, harness: Harness, kind: str, jobs: int) -> DensityResult:
    """Measure one number of jobs. Jobs of earlier measurements stay at the vendors, and are not polled."""
    ids = [f"{kind.split(maxsplit=1)[0]}-{number:05}" for number in range(jobs)]
    timeout = BASE_TIMEOUT + START_SECONDS_PER_JOB * jobs
    began = time.monotonic()
    async with _waiting_jobs(harness, kind, ids, timeout) as (part, lags, idle):
        ramp_up_seconds = time.monotonic() - began
        await asyncio.sleep(profile.density_seconds)  # let the last jobs finish their start
        return await _sample_usage(harness, profile, kind, ids, part, lags, idle, ramp_up_seconds)


@asynccontextmanager
async def _waiting_jobs(
    harness: Harness, kind: str, ids: Sequence[str], timeout: float
) -> AsyncIterator[tuple[str, Sequence[Path], ResourceUsage]]:
    """All jobs at their vendors: the service that holds them, its lag files, and its usage without jobs."""
    await harness.set_processing_time(NEVER_ENDING_SECONDS, "ghostcut")
    if kind == DBOS:
        async with run_baseline(harness, DBOS, f"{ids[0]}-{len(ids)}") as running:

            async def submit_to_baseline(job_ids: Sequence[str], second: bool) -> None:
                await running.submit(harness, job_ids, second=second)

            await harness.wait_until(partial(asyncio.to_thread, running.lag_file.exists), timeout)  # it has started
            idle = harness.usage()[PROCESS_NAME]
            await _submit_halves(harness, ids, submit_to_baseline, len(ids), timeout)
            yield PROCESS_NAME, [running.lag_file], idle
        return

    async def start(job_ids: Sequence[str], _second: bool) -> None:
        await harness.start_jobs(job_ids)

    at_once = len(ids) if kind == STOCK_POOL else None
    async with harness.run_workers(kind=kind, max_runs=at_once, settings=LARGE_SCALE_SETTINGS) as lags:
        idle = harness.usage()["worker"]
        await _submit_halves(harness, ids, start, MAX_STARTING, timeout)
        yield "worker", lags if kind == COROUTINE_WORKER else [], idle


async def _submit_halves(
    harness: Harness, ids: Sequence[str], start: StartFunction, at_a_time: int, timeout: float
) -> None:
    """Sync.so finishes the first half, which then waits at GhostCut, and keeps the second.

    Jobs start in batches of `at_a_time`, each when no more than that many are not yet submitted.
    """
    half = len(ids) // 2
    for second, vendor, some in ((False, "ghostcut", ids[:half]), (True, "sync_so", ids[half:])):
        await harness.set_processing_time(NEVER_ENDING_SECONDS if second else 0, "sync_so")
        submitted = await _count_submitted(harness, vendor)
        for begun in range(0, len(some), at_a_time):
            await _wait_for_submissions(harness, vendor, submitted + begun - at_a_time, timeout)
            await start(some[begun : begun + at_a_time], second)
        await _wait_for_submissions(harness, vendor, submitted + len(some), timeout)
        await harness.wait_until(partial(_are_all_running, harness, vendor, some), timeout)


async def _count_submitted(harness: Harness, vendor: str) -> int:
    """The number of submit calls. Reading the vendor's records of thousands of jobs would keep the machine busy."""
    return (await harness.call_counts(vendor)).get("submit", 0)


async def _wait_for_submissions(harness: Harness, vendor: str, number: int, timeout: float) -> None:
    async def reached() -> bool:
        return await _count_submitted(harness, vendor) >= number

    await harness.wait_until(reached, timeout)


async def _are_all_running(harness: Harness, vendor: str, ids: Sequence[str]) -> bool:
    return await harness.count_running(vendor, ids) == len(ids)


async def _sample_usage(
    harness: Harness,
    profile: Profile,
    kind: str,
    ids: Sequence[str],
    part: str,
    lag_files: Sequence[Path],
    idle: ResourceUsage,
    ramp_up_seconds: float,
) -> DensityResult:
    """Measure for a while in which jobs only wait."""
    before, calls, began = harness.usage(), [await harness.call_counts(vendor) for vendor in VENDORS], time.time()
    await asyncio.sleep(profile.density_seconds)
    after, later, ended = harness.usage(), [await harness.call_counts(vendor) for vendor in VENDORS], time.time()
    waiting = [await harness.count_running(vendor, ids) for vendor in VENDORS]
    jobs = sum(waiting)
    minutes = (ended - began) / 60
    cpu = cpu_between(before, after)
    late = [lag for file in lag_files for lag in read_lags(file, began, ended)]
    sync_so, ghostcut = (
        (new["status"] - old.get("status", 0)) / number / minutes if number else math.nan
        for new, old, number in zip(later, calls, waiting, strict=True)
    )
    return DensityResult(
        kind=kind,
        jobs=jobs,
        memory=after[part],
        idle=idle,
        cpu=cpu[part] / jobs / minutes,
        server_cpu=(cpu.get("prefect_server", 0) + cpu.get("postgres", 0)) / jobs / minutes,
        lag_p99=percentile(late, 0.99),
        lag_max=max(late, default=math.nan),
        sync_so=sync_so,
        ghostcut=ghostcut,
        ramp_up_seconds=ramp_up_seconds,
    )


def _extrapolate(measured: DensityResult, jobs: int) -> DensityResult:
    """Assume that each further job costs what a measured one does: neither machine nor loop can hold that many."""
    times = jobs / measured.jobs
    memory, idle = measured.memory, measured.idle
    grown = ResourceUsage(
        round(idle.pss + (memory.pss - idle.pss) * times), round(idle.uss + (memory.uss - idle.uss) * times)
    )
    return replace(
        measured,
        jobs=jobs,
        memory=grown,
        lag_p99=math.nan,
        lag_max=math.nan,
        ramp_up_seconds=measured.ramp_up_seconds * times,
        extrapolated=True,
    )


def _section(profile: Profile, found: Sequence[DensityResult]) -> Section:
    kinds = list(dict.fromkeys(each.kind for each in found))
    return Section(
        letter="c",
        title="Density: jobs that wait",
        how=(
            "Jobs that stay at their vendors, about half of them at each; the product's own pauses between status "
            "requests, and, as docs/operations.md advises for thousands, a heartbeat of each run every 900 s, leases "
            "of 1,800 s and poll attempts of 2 h. "
            f"After {profile.density_seconds:g} s to settle they are watched for as long. Memory: PSS and USS of the "
            "worker with all its processes (for DBOS, of the one process). `server`: Prefect server and Postgres. "
            "Processor time and requests are for each job (requests: each job at that vendor) and minute. `lag`: how "
            "late a timer of 20 ms fires in the loop of the flows. `reached in`: until all jobs were at their vendors, "
            f"where no more than {2 * MAX_STARTING} runs in Prefect are on their way there at a time. Rows with ~ are "
            f"extrapolated, as memory and time grow with each job: from {profile.density_processes} processes, and for "
            f"DBOS from the number at which its loop was late by {LAG_LIMIT * 1000:.0f} ms or more at p99."
        ),
        table=Table(
            (
                *("", "jobs", "PSS MiB", "USS MiB", "KiB/job", "CPU ms", "server ms"),
                *("lag p99 ms", "lag most ms", "Sync.so", "GhostCut", "reached in s"),
            ),
            [_row(each) for each in found],
        ),
        unit="MiB (PSS)",
        series=[
            Series(
                kind,
                [(str(e.jobs), e.memory.pss / MIB) for e in found if e.kind == kind and e.jobs in profile.density_jobs],
            )
            for kind in kinds
        ],
        targets=_targets([each for each in found if each.kind == COROUTINE_WORKER]),
        logarithmic=True,
    )


def _row(each: DensityResult) -> tuple[str, ...]:
    mark = "~" if each.extrapolated else ""
    return (
        each.kind,
        f"{mark}{each.jobs:,}",
        f"{mark}{format_number(each.memory.pss / MIB, 0)}",
        f"{mark}{format_number(each.memory.uss / MIB, 0)}",
        format_number((each.memory.pss - each.idle.pss) / each.jobs / 1024, 0),
        format_number(each.cpu * 1000, 0),
        format_number(each.server_cpu * 1000, 0),
        format_number(each.lag_p99 * 1000, 0),
        format_number(each.lag_max * 1000, 0),
        format_number(each.sync_so, 1),
        format_number(each.ghostcut, 1),
        f"{mark}{format_number(each.ramp_up_seconds, 0)}",
    )


def _targets(ours: Sequence[DensityResult]) -> list[Target]:
    calm = [each.jobs for each in ours if each.lag_p99 < LAG_LIMIT]
    last = ours[-1]
    found = [
        Target(
            "GhostCut: at most 1 status request a job and minute",
            format_number(last.ghostcut, 1),
            _is_within(last.ghostcut, 1),
        ),
        Target(
            "Sync.so: bounded by the long poll of 10 s",
            f"{format_number(last.sync_so, 1)} a minute",
            _is_within(last.sync_so, 7),
        ),
        Target("most jobs held with the loop's lag (p99) under 100 ms", f"{max(calm, default=0):,}", None),
    ]
    for jobs, limit in MEMORY_LIMITS.items():
        held = next((each for each in ours if each.jobs == jobs), None)
        pss = held.memory.pss / MIB if held else math.nan
        met = pss < limit if held else None
        found.append(Target(f"{jobs:,} jobs in under {limit} MiB", f"{format_number(pss, 0)} MiB", met))
    return found


def _is_within(value: float, limit: float) -> bool | None:
    return None if math.isnan(value) else value <= limit
