"""Part i: whether the memory of one worker grows with the runs that it has ended."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.figures import Section, Series, Table, Target, shown
from bench.forms import Form
from bench.stand import OURS, Stand
from bench.throughput import PATIENCE, QUICK_POLLS, SECONDS_A_JOB
from bench.usage import MIB, Usage

BATCH: Final = 50  # jobs
REST_SECONDS: Final = 3.0  # for what a run still does once its job is completed
FLAT: Final = 0.02  # more memory after all jobs than after half of them: that is noise


@dataclass(frozen=True, slots=True)
class After:
    """What the worker and the Prefect server take after so many jobs, and the seconds since the row before."""

    jobs: int
    memory: Usage
    server: Usage
    seconds: float


async def measure(form: Form, stand: Stand) -> Section:
    found: list[After] = []
    await stand.set_clock(0)
    async with stand.workers(settings=QUICK_POLLS):
        done = 0
        for jobs in form.endurance_jobs:
            looks, seconds = [], 0.0
            while done < jobs:
                batch = [f"endurance-{number:05}" for number in range(done, min(done + BATCH, jobs))]
                began = time.monotonic()
                await stand.start_jobs(batch)
                await stand.completed(batch, PATIENCE + SECONDS_A_JOB * len(batch))
                seconds += time.monotonic() - began
                done += len(batch)
                await asyncio.sleep(REST_SECONDS)
                looks.append(stand.usage())
            least = min(looks, key=lambda look: look["worker"].pss)
            found.append(After(jobs, least["worker"], looks[-1]["prefect_server"], seconds))
    return _section(found)


def _section(found: Sequence[After]) -> Section:
    half, last = found[(len(found) - 1) // 2], found[-1]
    growth = last.memory.pss / half.memory.pss - 1
    return Section(
        letter="i",
        title="Endurance: memory of one worker over its runs",
        how=(
            f"Chained jobs at no vendor time, one batch of {BATCH} after the other, all by one worker; each is two "
            f"runs in Prefect. Memory is looked at {REST_SECONDS:g} s after each batch, when the worker has no job in "
            "hand: the least since the row before, as Prefect's client keeps up to 700 events until they are "
            "confirmed. `jobs/min`: batch by batch. `server`: the Prefect server's memory."
        ),
        table=Table(
            ("jobs ended", "PSS MiB", "USS MiB", "jobs/min", "server PSS MiB"),
            [
                (
                    f"{each.jobs:,}",
                    shown(each.memory.pss / MIB, 1),
                    shown(each.memory.uss / MIB, 1),
                    shown((each.jobs - before) / each.seconds * 60, 1),
                    shown(each.server.pss / MIB, 0),
                )
                for before, each in zip((0, *(each.jobs for each in found)), found, strict=False)
            ],
        ),
        unit="MiB (PSS)",
        series=[Series(OURS, [(str(each.jobs), each.memory.pss / MIB) for each in found])],
        targets=[
            Target(
                f"memory flat: at most {FLAT:.0%} more after {last.jobs:,} jobs than after {half.jobs:,}",
                f"{growth:+.1%}",
                growth <= FLAT,
            )
        ],
    )
