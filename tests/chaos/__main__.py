"""The chaos run: many jobs while everything that they need is killed at random. Ends with a balance.

    python -m tests.chaos --jobs 200 --minutes 10 [--seed 7]

Exit code 1 where the balance does not come out even.
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

from tests.chaos.balance import Balance, show, take
from tests.chaos.client import Client
from tests.chaos.jobs import Wish, wishes
from tests.chaos.monkey import Monkey
from tests.crash.bench import Bench, open_bench, outcome_of
from tests.crash.leftovers import leftovers
from videojobs.ledger import Submission, VideoJob, engine_for
from videojobs.states import Stage

SETTINGS: Final = {
    "VIDEOJOBS_LEASE_SECONDS": "10",
    "VIDEOJOBS_RETRY_DELAY_SECONDS": "0.5",
    "VIDEOJOBS_SLOTS_SYNC_SO": "50",  # a killed run's place is free again after minutes only
    "VIDEOJOBS_SLOTS_GHOSTCUT": "50",
}
WORKERS: Final = 3  # one of them is killed every quarter of a minute, with all jobs that it is at work on
CLEANUP_EVERY: Final = 60.0  # seconds; ten minutes on the schedule, which is too long for a run of ten minutes
STUCK_MINUTES: Final = 2  # half an hour by default
LOOK_SECONDS: Final = 5.0
SECONDS_A_JOB: Final = 8.0  # of both cores, with all that is done twice: how long everything may take to settle
SETTLE_SECONDS: Final = 420.0  # beside that: silent runs are noticed, clean-ups come, places at vendors get free


async def main(jobs: int, minutes: float, seed: int) -> int:
    print(f"{jobs} jobs in {minutes:g} minutes, seed {seed}", flush=True)
    chance = Random(seed)
    wanted = wishes(chance, jobs, minutes * 60)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        async with open_bench(Path(folder), workers=WORKERS, changes=SETTINGS) as bench:
            return await _run(bench, wanted, minutes * 60, chance)


async def _run(bench: Bench, wanted: Sequence[Wish], seconds: float, chance: Random) -> int:
    began = time.monotonic()
    stack = bench.desk.stack
    client, monkey = Client(stack.variables["PREFECT_API_URL"], stack.prefect_login), Monkey(bench, chance)
    cleaning = asyncio.create_task(_clean_up(client))
    asking = [asyncio.create_task(_ask(bench, client, wish)) for wish in wanted]
    await monkey.rage(seconds)
    print(f"{time.strftime('%H:%M:%S')} the monkey rests", flush=True)
    await asyncio.gather(*asking)
    settled = await _settle(bench, wanted, SETTLE_SECONDS + SECONDS_A_JOB * len(wanted))
    took = time.monotonic() - began
    lying_about = await leftovers(bench)
    cleaning.cancel()
    await asyncio.wait([cleaning])
    balance = await _balance(bench, wanted, lying_about)
    show(balance, monkey.kills, seconds=took, sent_again=client.sent_again)
    await client.close()
    return 0 if settled and not balance.wrong else 1


async def _ask(bench: Bench, client: Client, wish: Wish) -> None:
    """One client with one job."""
    await asyncio.sleep(wish.at)
    for vendor, fault in wish.faults:
        await bench.desk.fault(vendor, job_id=f"/{wish.job_id}/", **fault)
    request: dict[str, Any] = bench.request(areas=wish.areas)
    if wish.bad:
        request["segments"] = []
    await client.submit({**request, "job_id": wish.job_id}, key=wish.job_id)


async def _clean_up(client: Client) -> None:
    """The clean-up's schedule, faster than the deployment's own."""
    config = {"dry_run": False, "stuck_after_minutes": STUCK_MINUTES, "batch_size": 500}
    number = 0
    while True:
        await asyncio.sleep(CLEANUP_EVERY)
        number += 1
        await client.submit({"config": config}, key=f"chaos-cleanup-{number}", deployment="cleanup/cleanup")


async def _settle(bench: Bench, wanted: Sequence[Wish], patience: float) -> bool:
    """Whether every job has come to an end or to an operator, and no run goes on, within so many seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        jobs = await _jobs(bench)
        open_jobs = [wish.job_id for wish in wanted if outcome_of(jobs.get(wish.job_id)) not in _OVER]
        runs = {job_id: runs for job_id, runs in (await bench.unfinished()).items() if not all(map(_crashed, runs))}
        print(f"{time.strftime('%H:%M:%S')} {len(open_jobs)} jobs open, {len(runs)} with runs", flush=True)
        if not open_jobs and not (runs.keys() & {wish.job_id for wish in wanted}):
            return True
        await asyncio.sleep(LOOK_SECONDS)
    return False


_OVER: Final = ("completed", "failed", "parked")


def _crashed(run: FlowRun) -> bool:
    """Before its job was over: then another run has gone on with it."""
    return run.state_type == StateType.CRASHED


async def _jobs(bench: Bench) -> dict[str, VideoJob]:
    async with AsyncSession(engine_for(bench.desk.stack.variables["DATABASE_URL"])) as session:
        return {job.id: job for job in await session.scalars(select(VideoJob))}


async def _balance(bench: Bench, wanted: Sequence[Wish], lying_about: Sequence[str]) -> Balance:
    async with AsyncSession(engine_for(bench.desk.stack.variables["DATABASE_URL"])) as session:
        submissions = (await session.scalars(select(Submission))).all()
    vendors = {Stage.LIP_SYNC: await bench.books("sync_so"), Stage.TEXT_REMOVAL: await bench.books("ghostcut")}
    return take(wanted, await _jobs(bench), submissions, vendors, lying_about)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10_000))
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    sys.exit(asyncio.run(main(given.jobs, given.minutes, given.seed)))
