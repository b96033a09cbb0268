"""The chaos run: many jobs while the stack's services are killed at random. Ends with a check of all invariants.

    python -m tests.chaos --jobs 200 --minutes 10 [--seed 7]

The exit code is 1 if an invariant is violated.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random, SystemRandom
from typing import Any, Final

from prefect.client.schemas.objects import FlowRun, StateType
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from tests.chaos.client import PrefectApiClient
from tests.chaos.invariants import ChaosResult, check_invariants, print_result
from tests.chaos.jobs import JobSpec, generate_jobs
from tests.chaos.monkey import Monkey
from tests.fault_injection.harness import FaultHarness, open_fault_harness, outcome_of
from tests.fault_injection.leak_checks import find_leaks
from videojobs.db import Submission, VideoJob, get_engine
from videojobs.states import Stage

SETTINGS: Final = {
    "VIDEOJOBS_LEASE_SECONDS": "10",
    "VIDEOJOBS_RETRY_DELAY_SECONDS": "0.5",
    "VIDEOJOBS_SLOTS_SYNC_SO": "50",  # a killed run's slot is free only after minutes
    "VIDEOJOBS_SLOTS_GHOSTCUT": "50",
}
WORKERS: Final = 3  # one is killed every quarter of a minute, with all its jobs
CLEANUP_INTERVAL: Final = 60.0  # seconds; the deployment's ten minutes are too long for a run of ten minutes
STUCK_MINUTES: Final = 2  # half an hour by default
POLL_INTERVAL: Final = 5.0
SETTLE_SECONDS_PER_JOB: Final = (
    8.0  # of both cores, repeated work included: the time that everything may take to settle
)
SETTLE_SECONDS: Final = 420.0  # beside that: dead runs are noticed, clean-ups run, vendor slots expire


async def main(jobs: int, minutes: float, seed: int) -> int:
    print(f"{jobs} jobs in {minutes:g} minutes, seed {seed}", flush=True)
    chance = Random(seed)
    specs = generate_jobs(chance, jobs, minutes * 60)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        async with open_fault_harness(Path(folder), workers=WORKERS, settings_overrides=SETTINGS) as bench:
            return await _run(bench, specs, minutes * 60, chance)


async def _run(harness: FaultHarness, specs: Sequence[JobSpec], seconds: float, rng: Random) -> int:
    began = time.monotonic()
    stack = harness.driver.stack
    client, monkey = PrefectApiClient(stack.variables["PREFECT_API_URL"], stack.prefect_login), Monkey(harness, rng)
    cleaning = asyncio.create_task(_schedule_cleanups(client))
    submitting = [asyncio.create_task(_submit_job(harness, client, wish)) for wish in specs]
    await monkey.run(seconds)
    print(f"{time.strftime('%H:%M:%S')} the monkey rests", flush=True)
    await asyncio.gather(*submitting)
    settled = await _wait_until_settled(harness, specs, SETTLE_SECONDS + SETTLE_SECONDS_PER_JOB * len(specs))
    elapsed = time.monotonic() - began
    leaks = await find_leaks(harness)
    cleaning.cancel()
    await asyncio.wait([cleaning])
    result = await _collect_result(harness, specs, leaks)
    print_result(result, monkey.kills, seconds=elapsed, sent_again=client.retries)
    await client.close()
    return 0 if settled and not result.violations else 1


async def _submit_job(harness: FaultHarness, client: PrefectApiClient, spec: JobSpec) -> None:
    """One client with one job."""
    await asyncio.sleep(spec.start_at)
    for vendor, fault in spec.faults:
        await harness.driver.inject_fault(vendor, job_id=f"/{spec.job_id}/", **fault)
    request: dict[str, Any] = harness.job_request(has_areas=spec.has_areas)
    if spec.is_invalid:
        request["segments"] = []
    await client.submit({**request, "job_id": spec.job_id}, key=spec.job_id)


async def _schedule_cleanups(client: PrefectApiClient) -> None:
    """The clean-up's schedule, faster than the deployment's."""
    config = {"dry_run": False, "stuck_after_minutes": STUCK_MINUTES, "batch_size": 500}
    number = 0
    while True:
        await asyncio.sleep(CLEANUP_INTERVAL)
        number += 1
        await client.submit({"config": config}, key=f"chaos-cleanup-{number}", deployment="cleanup/cleanup")


async def _wait_until_settled(harness: FaultHarness, specs: Sequence[JobSpec], timeout: float) -> bool:
    """Whether within this time every job has ended or is parked, and no run is unfinished."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        jobs = await _load_jobs(harness)
        open_jobs = [wish.job_id for wish in specs if outcome_of(jobs.get(wish.job_id)) not in _FINAL_OUTCOMES]
        runs = {
            job_id: runs
            for job_id, runs in (await harness.unfinished_runs()).items()
            if not all(map(_is_crashed, runs))
        }
        print(f"{time.strftime('%H:%M:%S')} {len(open_jobs)} jobs open, {len(runs)} with runs", flush=True)
        if not open_jobs and not (runs.keys() & {wish.job_id for wish in specs}):
            return True
        await asyncio.sleep(POLL_INTERVAL)
    return False


_FINAL_OUTCOMES: Final = ("completed", "failed", "parked")


def _is_crashed(run: FlowRun) -> bool:
    """It crashed before its job ended: then another run has resumed the job."""
    return run.state_type == StateType.CRASHED


async def _load_jobs(harness: FaultHarness) -> dict[str, VideoJob]:
    async with AsyncSession(get_engine(harness.driver.stack.variables["DATABASE_URL"])) as session:
        return {job.id: job for job in await session.scalars(select(VideoJob))}


async def _collect_result(harness: FaultHarness, specs: Sequence[JobSpec], leaks: Sequence[str]) -> ChaosResult:
    async with AsyncSession(get_engine(harness.driver.stack.variables["DATABASE_URL"])) as session:
        submissions = (await session.scalars(select(Submission))).all()
    vendors = {
        Stage.LIP_SYNC: await harness.vendor_submissions("sync_so"),
        Stage.TEXT_REMOVAL: await harness.vendor_submissions("ghostcut"),
    }
    return check_invariants(specs, await _load_jobs(harness), submissions, vendors, leaks)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10_000))
    return parser.parse_args()


if __name__ == "__main__":
    given = _parse_arguments()
    sys.exit(asyncio.run(main(given.jobs, given.minutes, given.seed)))
