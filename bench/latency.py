"""Part a: how long after the vendor is done a job is completed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.figures import Section, Series, Table, Target, percentile, shown
from bench.forms import Form
from bench.rivals.old_design import old_workers, start_old_jobs
from bench.stand import OURS, STOCK_POOL, Stand

OLD_DESIGN: Final = "old design (Celery)"
OLD_BEAT: Final = 60.0  # seconds: its real interval
PATIENCE: Final = 600.0  # seconds beside what is known to pass
SECONDS_A_JOB: Final = 1.0  # vendor time for each job of a batch: all are at the vendor before the first one is done
SECONDS_AT_LEAST: Final = 3.0


@dataclass(frozen=True, slots=True)
class Delays:
    """Of one batch, in seconds."""

    kind: str
    jobs: int
    end: Sequence[float]
    """From GhostCut being done to the job being completed."""
    between: Sequence[float]
    """From Sync.so being done to GhostCut having the job."""


async def measure(form: Form, stand: Stand) -> Section:
    found: list[Delays] = []
    async with stand.workers(settings=form.latency_polls):
        for jobs in form.latency_jobs:
            found.append(await _batch(stand, OURS, jobs))
    async with stand.workers(kind=STOCK_POOL, at_once=form.process_slots, settings=form.latency_polls):
        for jobs in form.process_jobs:
            found.append(await _batch(stand, STOCK_POOL, jobs, at_once=form.process_slots))
    async with old_workers(stand, form.beat_seconds):
        for jobs in form.latency_jobs:
            found.append(await _batch(stand, OLD_DESIGN, jobs, beat=form.beat_seconds))
    return _section(form, found)


async def _batch(stand: Stand, kind: str, jobs: int, *, at_once: int | None = None, beat: float = 0) -> Delays:
    """Run so many jobs and read the delays from the vendors' books and ours."""
    together = min(jobs, at_once or jobs)
    vendor_seconds = SECONDS_AT_LEAST + SECONDS_A_JOB * together
    await stand.set_clock(vendor_seconds)
    ids = [f"{kind.split(maxsplit=1)[0]}-{jobs}-{number:04}" for number in range(jobs)]
    rounds = -(-jobs // together)
    patience = PATIENCE + rounds * (2 * vendor_seconds + 20) + 4 * beat
    if kind == OLD_DESIGN:
        completed = await start_old_jobs(stand, ids, patience)
    else:
        await stand.start_jobs(ids)
        completed = await stand.completed(ids, patience)
    sync_so, ghostcut = await stand.stays("sync_so"), await stand.stays("ghostcut")
    return Delays(
        kind,
        jobs,
        [completed[job] - (ghostcut[job].ended_at or 0) for job in ids],
        [ghostcut[job].created_at - (sync_so[job].ended_at or 0) for job in ids],
    )


def _section(form: Form, found: Sequence[Delays]) -> Section:
    rows = [
        (
            each.kind,
            str(each.jobs),
            *(shown(percentile(each.end, share)) for share in (0.5, 0.95)),
            *(shown(percentile(each.between, share)) for share in (0.5, 0.95)),
        )
        for each in found
    ]
    kinds = list(dict.fromkeys(each.kind for each in found))
    return Section(
        letter="a",
        title="Latency: from the vendor being done to the job being completed",
        how=(
            "Chained jobs (lip-sync, then text removal) started in one batch through the Prefect API. `end`: from "
            "GhostCut's own books to `completed_at` in our ledger. `between`: from the end of the lip-sync in "
            "Sync.so's books to the start of the work in GhostCut's. Seconds. The vendors take 3 s and 1 s more for "
            f"each job that runs at the same time. The process pool runs {form.process_slots} jobs at once: more do "
            "not fit on the machine. The old design is a model: Celery with two worker processes and a beat that "
            f"looks at all open jobs every {form.beat_seconds:g} s ({_beat_note(form)}); its broker is kombu's "
            "filesystem transport."
        ),
        table=Table(("", "jobs", "end p50", "end p95", "between p50", "between p95"), rows),
        unit="seconds, p50 of `end`",
        series=[
            Series(kind, [(str(e.jobs), percentile(e.end, 0.5)) for e in found if e.kind == kind]) for kind in kinds
        ],
        targets=_targets(form, found),
        logarithmic=True,
    )


def _beat_note(form: Form) -> str:
    return "as it really is" if form.beat_seconds == OLD_BEAT else f"really {OLD_BEAT:g} s; shortened in this form"


def _targets(form: Form, found: Sequence[Delays]) -> list[Target]:
    most = max(form.latency_jobs)
    ours, old = (next(e for e in found if e.jobs == most and e.kind == kind) for kind in (OURS, OLD_DESIGN))
    p50, p95 = percentile(ours.end, 0.5), percentile(ours.end, 0.95)
    times = percentile(old.end, 0.5) / p50
    return [
        Target(f"p50 under 1 s at {most} jobs", f"{p50:.2f} s", p50 < 1),
        Target(f"p95 under 3 s at {most} jobs", f"{p95:.2f} s", p95 < 3),
        Target(
            f"at least 20 times better than the old design ({most} jobs)",
            f"{times:.1f} times, against an interval of {form.beat_seconds:g} s",
            times >= 20 if form.beat_seconds == OLD_BEAT else None,
        ),
    ]
