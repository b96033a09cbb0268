"""Part b: what one chained job takes beside the vendors' time and the transfers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.figures import Section, Series, Table, Target, median, shown
from bench.forms import Form
from bench.rivals.program import read_report
from bench.rivals.runs import BARE, DBOS, rival
from bench.stand import OURS, Stand

VENDOR_SECONDS: Final = 0.5
# Short, and the same for all, so that what is measured is not how long somebody slept.
QUICK_POLLS: Final = {
    "VIDEOJOBS_GHOSTCUT_POLL_FIRST_SECONDS": "0.25",
    "VIDEOJOBS_GHOSTCUT_POLL_MAX_SECONDS": "0.25",
}
PATIENCE: Final = 120.0
LEAST_SECONDS: Final = 0.01  # a smaller overhead cannot be told from the floor


@dataclass(frozen=True, slots=True)
class Run:
    """One job. Seconds."""

    wall: float
    vendors: float
    transfers: float  # known of the bare script only


async def measure(form: Form, stand: Stand) -> Section:
    found: dict[str, Sequence[Run]] = {}
    await stand.set_clock(VENDOR_SECONDS)
    async with stand.workers(settings=QUICK_POLLS):
        await _ours(stand, 1, "warm")  # imports, connections
        found[OURS] = await _ours(stand, form.overhead_jobs, "ours")
    for kind in (BARE, DBOS):
        found[kind] = (await _rival(stand, kind, form.overhead_jobs + 1))[1:]
    return _section(form, found)


async def _ours(stand: Stand, jobs: int, name: str) -> list[Run]:
    runs = []
    for number in range(jobs):
        job = f"{name}-{number}"
        asked = await stand.start_jobs([job])
        completed = await stand.completed([job], PATIENCE)
        runs.append((job, completed[job] - asked[job], 0.0))
    return await _with_vendor_time(stand, runs)


async def _rival(stand: Stand, kind: str, jobs: int) -> list[Run]:
    ids = [f"{kind.split(maxsplit=1)[0]}-{number}" for number in range(jobs)]
    async with rival(stand, kind, ids[0], one_by_one=True, settings=QUICK_POLLS) as running:
        await running.ask(stand, ids)
        await running.ask(stand, [], second=True)
        if await running.program.ended() != 0:
            raise running.program.failure("the rival failed")
        lines = read_report(running.report)
    return await _with_vendor_time(stand, [(line["job"], line["seconds"], line["transfers"]) for line in lines])


async def _with_vendor_time(stand: Stand, runs: Sequence[tuple[str, float, float]]) -> list[Run]:
    books = [await stand.stays(vendor) for vendor in ("sync_so", "ghostcut")]
    return [
        Run(wall, sum((book[job].ended_at or 0) - book[job].created_at for book in books), transfers)
        for job, wall, transfers in runs
    ]


def _section(form: Form, found: dict[str, Sequence[Run]]) -> Section:
    floor = median([run.transfers for run in found[BARE]])
    beside = {kind: median([run.wall - run.vendors for run in runs]) for kind, runs in found.items()}
    own = {kind: seconds - floor for kind, seconds in beside.items()}
    rows = [
        (
            kind,
            shown(median([run.wall for run in runs])),
            shown(median([run.vendors for run in runs])),
            shown(beside[kind]),
            shown(own[kind]),
            shown(beside[kind] / beside[DBOS], 1),
        )
        for kind, runs in found.items()
    ]
    return Section(
        letter="b",
        title="Overhead: what a chained job takes beside the vendors' time and the transfers",
        how=(
            f"{form.overhead_jobs} jobs one after another, after one to warm up; medians, in seconds. `wall`: for us "
            "from the call of the Prefect API to `completed_at` in the ledger, for the others from the start of the "
            "function to its end, in a process that runs already. `vendors`: both vendors, by their own books. "
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
    times, slower = own[OURS] / max(own[DBOS], LEAST_SECONDS), beside[OURS] / beside[DBOS]
    return [
        Target("overhead under 2.0 s", f"{own[OURS]:.2f} s", own[OURS] < 2.0),
        Target(
            "overhead at most 1.5 times DBOS's",
            f"{own[OURS]:.2f} s against {own[DBOS]:.2f} s; with the transfers {slower:.1f} times",
            times <= 1.5,
        ),
    ]
