"""Part a: the delay between the vendor being done and the job being completed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.baselines.old_design import run_old_jobs, run_old_workers
from tests.benchmarks.harness import COROUTINE_WORKER, STOCK_POOL, Harness
from tests.benchmarks.profiles import Profile
from tests.benchmarks.stats import Section, Series, Table, Target, format_number, percentile

OLD_DESIGN: Final = "old design (Celery)"
OLD_BEAT: Final = 60.0  # seconds: the old design's real interval
BASE_TIMEOUT: Final = 600.0  # seconds in addition to the expected time
SECONDS_PER_JOB: Final = 1.0  # vendor time per job of a batch: all are at the vendor before the first one is done
MIN_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class LatencyResult:
    """The delays of one batch, in seconds."""

    kind: str
    jobs: int
    completion: Sequence[float]
    """From GhostCut being done to the job being completed."""
    handover: Sequence[float]
    """From Sync.so being done to GhostCut having the job."""


async def measure(profile: Profile, harness: Harness) -> Section:
    found: list[LatencyResult] = []
    async with harness.run_workers(settings=profile.latency_polls):
        for jobs in profile.latency_jobs:
            found.append(await _measure_batch(harness, COROUTINE_WORKER, jobs))
    async with harness.run_workers(kind=STOCK_POOL, max_runs=profile.process_slots, settings=profile.latency_polls):
        for jobs in profile.process_jobs:
            found.append(await _measure_batch(harness, STOCK_POOL, jobs, at_once=profile.process_slots))
    async with run_old_workers(harness, profile.beat_seconds):
        for jobs in profile.latency_jobs:
            found.append(await _measure_batch(harness, OLD_DESIGN, jobs, beat=profile.beat_seconds))
    return _section(profile, found)


async def _measure_batch(
    harness: Harness, kind: str, jobs: int, *, at_once: int | None = None, beat: float = 0
) -> LatencyResult:
    """Run a batch of jobs, and read the delays from the vendors' records and our database."""
    together = min(jobs, at_once or jobs)
    vendor_seconds = MIN_SECONDS + SECONDS_PER_JOB * together
    await harness.set_processing_time(vendor_seconds)
    ids = [f"{kind.split(maxsplit=1)[0]}-{jobs}-{number:04}" for number in range(jobs)]
    rounds = -(-jobs // together)
    timeout = BASE_TIMEOUT + rounds * (2 * vendor_seconds + 20) + 4 * beat
    if kind == OLD_DESIGN:
        completed = await run_old_jobs(harness, ids, timeout)
    else:
        await harness.start_jobs(ids)
        completed = await harness.wait_for_completion(ids, timeout)
    sync_so, ghostcut = await harness.vendor_visits("sync_so"), await harness.vendor_visits("ghostcut")
    return LatencyResult(
        kind,
        jobs,
        [completed[job] - (ghostcut[job].ended_at or 0) for job in ids],
        [ghostcut[job].created_at - (sync_so[job].ended_at or 0) for job in ids],
    )


def _section(profile: Profile, found: Sequence[LatencyResult]) -> Section:
    rows = [
        (
            each.kind,
            str(each.jobs),
            *(format_number(percentile(each.completion, share)) for share in (0.5, 0.95)),
            *(format_number(percentile(each.handover, share)) for share in (0.5, 0.95)),
        )
        for each in found
    ]
    kinds = list(dict.fromkeys(each.kind for each in found))
    return Section(
        letter="a",
        title="Latency: from the vendor being done to the job being completed",
        how=(
            "Chained jobs (lip-sync, then text removal) started in one batch through the Prefect API. `end`: from "
            "GhostCut's own records to `completed_at` in the job database. `between`: from the end of the lip-sync in "
            "Sync.so's records to the start of the work in GhostCut's. Seconds. The vendors take 3 s and 1 s more for "
            f"each job that runs at the same time. The process pool runs {profile.process_slots} jobs at once: more do "
            "not fit on the machine. The old design is a model: Celery with two worker processes and a beat that "
            f"looks at all open jobs every {profile.beat_seconds:g} s ({_beat_note(profile)}); its broker is kombu's "
            "filesystem transport."
        ),
        table=Table(("", "jobs", "end p50", "end p95", "between p50", "between p95"), rows),
        unit="seconds, p50 of `end`",
        series=[
            Series(kind, [(str(e.jobs), percentile(e.completion, 0.5)) for e in found if e.kind == kind])
            for kind in kinds
        ],
        targets=_targets(profile, found),
        logarithmic=True,
    )


def _beat_note(profile: Profile) -> str:
    return "as it really is" if profile.beat_seconds == OLD_BEAT else f"really {OLD_BEAT:g} s; shortened in this form"


def _targets(profile: Profile, found: Sequence[LatencyResult]) -> list[Target]:
    most = max(profile.latency_jobs)
    ours, old = (next(e for e in found if e.jobs == most and e.kind == kind) for kind in (COROUTINE_WORKER, OLD_DESIGN))
    p50, p95 = percentile(ours.completion, 0.5), percentile(ours.completion, 0.95)
    times = percentile(old.completion, 0.5) / p50
    return [
        Target(f"p50 under 1 s at {most} jobs", f"{p50:.2f} s", p50 < 1),
        Target(f"p95 under 3 s at {most} jobs", f"{p95:.2f} s", p95 < 3),
        Target(
            f"at least 20 times better than the old design ({most} jobs)",
            f"{times:.1f} times, against an interval of {profile.beat_seconds:g} s",
            times >= 20 if profile.beat_seconds == OLD_BEAT else None,
        ),
    ]
