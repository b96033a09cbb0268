"""Part b: the time of one chained job beside the vendors' processing and the transfers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.baselines.program import read_report
from tests.benchmarks.baselines.runs import BARE, DBOS, run_baseline
from tests.benchmarks.harness import COROUTINE_WORKER, Harness
from tests.benchmarks.profiles import Profile
from tests.benchmarks.stats import Section, Series, Table, Target, format_number, median

VENDOR_SECONDS: Final = 0.5
# Short, and equal for all, so that poll intervals do not dominate the result.
QUICK_POLLS: Final = {
    "VIDEOJOBS_GHOSTCUT_POLL_FIRST_SECONDS": "0.25",
    "VIDEOJOBS_GHOSTCUT_POLL_MAX_SECONDS": "0.25",
}
TIMEOUT: Final = 120.0
MIN_SECONDS: Final = 0.01  # a smaller overhead is indistinguishable from the lower bound


@dataclass(frozen=True, slots=True)
class JobTiming:
    """The times of one job, in seconds."""

    wall: float
    vendors: float
    transfers: float  # measured for the bare script only


async def measure(profile: Profile, harness: Harness) -> Section:
    found: dict[str, Sequence[JobTiming]] = {}
    await harness.set_processing_time(VENDOR_SECONDS)
    async with harness.run_workers(settings=QUICK_POLLS):
        await _measure_product(harness, 1, "warm")  # imports, connections
        found[COROUTINE_WORKER] = await _measure_product(harness, profile.overhead_jobs, "ours")
    for kind in (BARE, DBOS):
        found[kind] = (await _measure_baseline(harness, kind, profile.overhead_jobs + 1))[1:]
    return _section(profile, found)


async def _measure_product(harness: Harness, jobs: int, name: str) -> list[JobTiming]:
    runs = []
    for number in range(jobs):
        job = f"{name}-{number}"
        asked = await harness.start_jobs([job])
        completed = await harness.wait_for_completion([job], TIMEOUT)
        runs.append((job, completed[job] - asked[job], 0.0))
    return await _to_timings(harness, runs)


async def _measure_baseline(harness: Harness, kind: str, jobs: int) -> list[JobTiming]:
    ids = [f"{kind.split(maxsplit=1)[0]}-{number}" for number in range(jobs)]
    async with run_baseline(harness, kind, ids[0], one_by_one=True, settings=QUICK_POLLS) as running:
        await running.submit(harness, ids)
        await running.submit(harness, [], second=True)
        if await running.program.wait() != 0:
            raise running.program.error("the rival failed")
        lines = read_report(running.report)
    return await _to_timings(harness, [(line["job"], line["seconds"], line["transfers"]) for line in lines])


async def _to_timings(harness: Harness, runs: Sequence[tuple[str, float, float]]) -> list[JobTiming]:
    visits = [await harness.vendor_visits(vendor) for vendor in ("sync_so", "ghostcut")]
    return [
        JobTiming(wall, sum((book[job].ended_at or 0) - book[job].created_at for book in visits), transfers)
        for job, wall, transfers in runs
    ]


def _section(profile: Profile, found: dict[str, Sequence[JobTiming]]) -> Section:
    floor = median([run.transfers for run in found[BARE]])
    beside = {kind: median([run.wall - run.vendors for run in runs]) for kind, runs in found.items()}
    own = {kind: seconds - floor for kind, seconds in beside.items()}
    rows = [
        (
            kind,
            format_number(median([run.wall for run in runs])),
            format_number(median([run.vendors for run in runs])),
            format_number(beside[kind]),
            format_number(own[kind]),
            format_number(beside[kind] / beside[DBOS], 1),
        )
        for kind, runs in found.items()
    ]
    return Section(
        letter="b",
        title="Overhead: what a chained job takes beside the vendors' time and the transfers",
        how=(
            f"{profile.overhead_jobs} jobs one after another, after one to warm up; medians, in seconds. `wall`: for "
            "us "
            "from the call of the Prefect API to `completed_at` in the job database, for the others from the start of "
            "the function to its end, in a process that runs already. `vendors`: both vendors, by their own records. "
            f"`beside`: the rest. `overhead`: that less the transfer floor of {floor:.2f} s (download, decoding, "
            "upload and both copies, measured in the bare script). Against DBOS, `beside` is compared: DBOS's "
            "overhead is within the noise of the floor. All three make the same calls with the same clients, and "
            f"ask GhostCut every {QUICK_POLLS['VIDEOJOBS_GHOSTCUT_POLL_MAX_SECONDS']} s; DBOS records each step, a "
            "wait as one."
        ),
        table=Table(("", "wall", "vendors", "beside", "overhead", "beside, against DBOS"), rows),
        unit="seconds beside the vendors",
        series=[Series("beside", list(beside.items()))],
        targets=_targets(own, beside),
    )


def _targets(own: dict[str, float], beside: dict[str, float]) -> list[Target]:
    times, slower = own[COROUTINE_WORKER] / max(own[DBOS], MIN_SECONDS), beside[COROUTINE_WORKER] / beside[DBOS]
    return [
        Target("overhead under 2.0 s", f"{own[COROUTINE_WORKER]:.2f} s", own[COROUTINE_WORKER] < 2.0),
        Target(
            "overhead at most 1.5 times DBOS's",
            f"{own[COROUTINE_WORKER]:.2f} s against {own[DBOS]:.2f} s; with the transfers {slower:.1f} times",
            times <= 1.5,
        ),
    ]
