"""Part c: memory, processor time, loop lag and vendor requests of jobs that wait."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from bench.figures import Section, Series, Table, Target, percentile, shown
from bench.forms import Form
from bench.loop_lag import read_lags
from bench.rivals.runs import DBOS, PART, rival
from bench.stand import OURS, STOCK_POOL, Stand
from bench.usage import MIB, Usage, cpu_between

LONG: Final = 100_000.0  # seconds that the vendors take: nothing ends while it is watched
SECONDS_A_START: Final = 6.0  # at most, of the machine's time, until a job is at its vendor
PATIENCE: Final = 180.0  # beside that
# With more, their requests leave the consumer of the Prefect server's automations too little of its loop: it is soon
# thousands of events behind. Nor are more jobs a minute started.
ON_THEIR_WAY: Final = 12
LAG_LIMIT: Final = 0.1  # seconds
# As is advised for thousands of runs (README, "Workers"): for the workers, and for what is registered.
THOUSANDS: Final = {
    "VIDEOJOBS_WORKER_HEARTBEAT_SECONDS": "900",
    "VIDEOJOBS_SILENCE_SECONDS": "3000",
    "VIDEOJOBS_START_SECONDS": "3000",
    "VIDEOJOBS_PLACE_LEASE_SECONDS": "1800",
    "VIDEOJOBS_POLL_ATTEMPT_SECONDS": "7200",
}
KINDS: Final = (OURS, DBOS, STOCK_POOL)
VENDORS: Final = ("sync_so", "ghostcut")
MEMORY_LIMITS: Final = {1000: 400, 5000: 1024}  # MiB, by jobs


Start = Callable[[Sequence[str], bool], Awaitable[None]]
"""Starts jobs; the flag says whether they are the second half."""
Stands = Callable[[], AbstractAsyncContextManager[Stand]]


@dataclass(frozen=True, slots=True)
class Held:
    """So many jobs in flight, half of them at each vendor. Rates are for each job and minute."""

    kind: str
    jobs: int
    memory: Usage
    idle: Usage
    cpu: float  # seconds
    server_cpu: float  # seconds, of the Prefect server and Postgres
    lag_p99: float  # seconds; NaN where there is no loop to watch
    lag_most: float
    sync_so: float  # status requests
    ghostcut: float
    reached_in: float  # seconds until all were at their vendors
    extrapolated: bool = False


async def measure(form: Form, stands: Stands) -> AsyncIterator[Section]:
    """What is known after each number: the largest takes longer than all others together.

    Each number on the next of the stands, ours last: what was stopped while it waited would come back beside others.
    """
    found: list[Held] = []
    for jobs in form.density_jobs:
        async with stands() as stand:
            late = next((each for each in found if each.kind == DBOS and each.lag_p99 >= LAG_LIMIT), None)
            found.append(_extrapolated(late, jobs) if late else await _hold(form, stand, DBOS, jobs))
            if jobs == form.density_jobs[0]:
                stock = await _hold(form, stand, STOCK_POOL, form.density_processes)
                found.append(stock)
            found += [await _hold(form, stand, OURS, jobs), _extrapolated(stock, jobs)]
        yield _section(form, sorted(found, key=lambda each: KINDS.index(each.kind)))


async def _hold(form: Form, stand: Stand, kind: str, jobs: int) -> Held:
    """What was stopped before stays at the vendors, asked for by nobody."""
    ids = [f"{kind.split(maxsplit=1)[0]}-{number:05}" for number in range(jobs)]
    patience = PATIENCE + SECONDS_A_START * jobs
    began = time.monotonic()
    async with _in_flight(stand, kind, ids, patience) as (part, lags, idle):
        reached_in = time.monotonic() - began
        await asyncio.sleep(form.density_seconds)  # what is still to be done for the last one that came in
        return await _watch(stand, form, kind, ids, part, lags, idle, reached_in)


@asynccontextmanager
async def _in_flight(
    stand: Stand, kind: str, ids: Sequence[str], patience: float
) -> AsyncIterator[tuple[str, Sequence[Path], Usage]]:
    """All jobs at their vendors: the part that holds them, its files of lags, and what it took while it had none."""
    await stand.set_clock(LONG, "ghostcut")
    if kind == DBOS:
        async with rival(stand, DBOS, f"{ids[0]}-{len(ids)}") as running:

            async def ask(job_ids: Sequence[str], second: bool) -> None:
                await running.ask(stand, job_ids, second=second)

            await stand.until(partial(asyncio.to_thread, running.lags.exists), patience)  # it has begun
            idle = stand.usage()[PART]
            await _halved(stand, ids, ask, len(ids), patience)
            yield PART, [running.lags], idle
        return

    async def start(job_ids: Sequence[str], _second: bool) -> None:
        await stand.start_jobs(job_ids)

    at_once = len(ids) if kind == STOCK_POOL else None
    async with stand.workers(kind=kind, at_once=at_once, settings=THOUSANDS) as lags:
        idle = stand.usage()["worker"]
        await _halved(stand, ids, start, ON_THEIR_WAY, patience)
        yield "worker", lags if kind == OURS else [], idle


async def _halved(stand: Stand, ids: Sequence[str], start: Start, at_a_time: int, patience: float) -> None:
    """Sync.so lets the first half pass, which then waits at GhostCut, and keeps the others.

    So many are started `at_a_time`, as soon as no more than that are still on their way.
    """
    half = len(ids) // 2
    for second, vendor, some in ((False, "ghostcut", ids[:half]), (True, "sync_so", ids[half:])):
        await stand.set_clock(LONG if second else 0, "sync_so")
        submitted = await _submitted(stand, vendor)
        for begun in range(0, len(some), at_a_time):
            await _until_submitted(stand, vendor, submitted + begun - at_a_time, patience)
            await start(some[begun : begun + at_a_time], second)
        await _until_submitted(stand, vendor, submitted + len(some), patience)
        await stand.until(partial(_all_at, stand, vendor, some), patience)


async def _submitted(stand: Stand, vendor: str) -> int:
    """So many calls have come: a number, where its books of thousands of jobs would keep the machine busy."""
    return (await stand.calls(vendor)).get("submit", 0)


async def _until_submitted(stand: Stand, vendor: str, number: int, patience: float) -> None:
    async def reached() -> bool:
        return await _submitted(stand, vendor) >= number

    await stand.until(reached, patience)


async def _all_at(stand: Stand, vendor: str, ids: Sequence[str]) -> bool:
    return await stand.running(vendor, ids) == len(ids)


async def _watch(
    stand: Stand,
    form: Form,
    kind: str,
    ids: Sequence[str],
    part: str,
    lags: Sequence[Path],
    idle: Usage,
    reached: float,
) -> Held:
    """What goes on for a while in which nothing happens but waiting."""
    before, calls, began = stand.usage(), [await stand.calls(vendor) for vendor in VENDORS], time.time()
    await asyncio.sleep(form.density_seconds)
    after, later, ended = stand.usage(), [await stand.calls(vendor) for vendor in VENDORS], time.time()
    waiting = [await stand.running(vendor, ids) for vendor in VENDORS]
    jobs = sum(waiting)
    minutes = (ended - began) / 60
    cpu = cpu_between(before, after)
    late = [lag for file in lags for lag in read_lags(file, began, ended)]
    sync_so, ghostcut = (
        (new["status"] - old.get("status", 0)) / number / minutes if number else math.nan
        for new, old, number in zip(later, calls, waiting, strict=True)
    )
    return Held(
        kind=kind,
        jobs=jobs,
        memory=after[part],
        idle=idle,
        cpu=cpu[part] / jobs / minutes,
        server_cpu=(cpu.get("prefect_server", 0) + cpu.get("postgres", 0)) / jobs / minutes,
        lag_p99=percentile(late, 0.99),
        lag_most=max(late, default=math.nan),
        sync_so=sync_so,
        ghostcut=ghostcut,
        reached_in=reached,
    )


def _extrapolated(measured: Held, jobs: int) -> Held:
    """As if each further job took what each of the measured ones does: neither machine nor loop can hold so many."""
    times = jobs / measured.jobs
    memory, idle = measured.memory, measured.idle
    grown = Usage(round(idle.pss + (memory.pss - idle.pss) * times), round(idle.uss + (memory.uss - idle.uss) * times))
    return replace(
        measured,
        jobs=jobs,
        memory=grown,
        lag_p99=math.nan,
        lag_most=math.nan,
        reached_in=measured.reached_in * times,
        extrapolated=True,
    )


def _section(form: Form, found: Sequence[Held]) -> Section:
    kinds = list(dict.fromkeys(each.kind for each in found))
    return Section(
        letter="c",
        title="Density: jobs that wait",
        how=(
            "Jobs that stay at their vendors, about half of them at each; the product's own pauses between questions, "
            "and, as is advised for thousands, a sign of life of each run every 900 s, leases of 1,800 s and "
            "attempts at waiting of 2 h. "
            f"After {form.density_seconds:g} s to settle they are watched for as long. Memory: PSS and USS of the "
            "worker with all its processes (for DBOS, of the one process). `server`: Prefect server and Postgres. "
            "Processor time and requests are for each job (requests: each job at that vendor) and minute. `lag`: how "
            "late a timer of 20 ms fires in the loop of the flows. `reached in`: until all jobs were at their vendors, "
            f"where no more than {2 * ON_THEIR_WAY} runs in Prefect are on their way there at a time. Rows with ~ are "
            f"extrapolated, as memory and time grow with each job: from {form.density_processes} processes, and for "
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
                [(str(e.jobs), e.memory.pss / MIB) for e in found if e.kind == kind and e.jobs in form.density_jobs],
            )
            for kind in kinds
        ],
        targets=_targets([each for each in found if each.kind == OURS]),
        logarithmic=True,
    )


def _row(each: Held) -> tuple[str, ...]:
    mark = "~" if each.extrapolated else ""
    return (
        each.kind,
        f"{mark}{each.jobs:,}",
        f"{mark}{shown(each.memory.pss / MIB, 0)}",
        f"{mark}{shown(each.memory.uss / MIB, 0)}",
        shown((each.memory.pss - each.idle.pss) / each.jobs / 1024, 0),
        shown(each.cpu * 1000, 0),
        shown(each.server_cpu * 1000, 0),
        shown(each.lag_p99 * 1000, 0),
        shown(each.lag_most * 1000, 0),
        shown(each.sync_so, 1),
        shown(each.ghostcut, 1),
        f"{mark}{shown(each.reached_in, 0)}",
    )


def _targets(ours: Sequence[Held]) -> list[Target]:
    calm = [each.jobs for each in ours if each.lag_p99 < LAG_LIMIT]
    last = ours[-1]
    found = [
        Target(
            "GhostCut: at most 1 status request a job and minute", shown(last.ghostcut, 1), _within(last.ghostcut, 1)
        ),
        Target(
            "Sync.so: bounded by the long poll of 10 s", f"{shown(last.sync_so, 1)} a minute", _within(last.sync_so, 7)
        ),
        Target("most jobs held with the loop's lag (p99) under 100 ms", f"{max(calm, default=0):,}", None),
    ]
    for jobs, limit in MEMORY_LIMITS.items():
        held = next((each for each in ours if each.jobs == jobs), None)
        pss = held.memory.pss / MIB if held else math.nan
        met = pss < limit if held else None
        found.append(Target(f"{jobs:,} jobs in under {limit} MiB", f"{shown(pss, 0)} MiB", met))
    return found


def _within(value: float, limit: float) -> bool | None:
    return None if math.isnan(value) else value <= limit
