"""Part f: many uploads at once through the front door: what arrives, its memory, and what others wait."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from bench.figures import Section, Series, Table, Target, median, percentile, shown
from bench.forms import MB, Form
from bench.stand import REPOSITORY, Stand
from bench.usage import MIB, parts_of
from videojobs.ledger import Ledger, engine_for
from videojobs.media.store import parse_uri

ASK_SECONDS: Final = 0.05
QUIET_ASKS: Final = 100
MOST_FOR_ONE: Final = 64  # MiB above idle
MOST_FOR_ALL: Final = 256  # MiB above idle: 24 parts of 5 MiB, and what connections and threads hold
STATUS_P95: Final = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class Load:
    """What one load of uploads came to. Memory in bytes above the idle door, times in seconds."""

    uploads: int
    size: int
    seconds: float
    whole: int  # uploads whose bytes are all in the storage
    peak: int
    answers: Sequence[float]  # to status requests meanwhile


async def measure(form: Form, stand: Stand) -> Section:
    [job] = (await _send(stand, 1, MB))["jobs"]
    headers = {"Authorization": f"Bearer {stand.stack.variables['VIDEOJOBS_TOKEN']}"}
    each_anew = httpx.Limits(max_keepalive_connections=0)
    address = stand.stack.address_of("gateway")
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60, limits=each_anew) as http:
        quiet = [await _asked(http, job) for _ in range(QUIET_ASKS)]
        loads = [await _load(stand, http, job, uploads, size) for uploads, size in form.uploads]
    return _section(quiet, loads)


async def _load(stand: Stand, http: httpx.AsyncClient, job: str, uploads: int, size: int) -> Load:
    """Uploads at once, while somebody asks for a job's status all the time."""
    door = next(process for process, part in parts_of(stand.stack.data) if part == "gateway")
    idle = door.memory_full_info().uss
    sending = asyncio.create_task(_send(stand, uploads, size))
    peak, answers = idle, []
    while not sending.done():
        answers.append(await _asked(http, job))
        peak = max(peak, door.memory_full_info().uss)
        await asyncio.sleep(ASK_SECONDS)
    sent = await sending
    return Load(uploads, size, sent["seconds"], await _whole(stand, sent["jobs"], size), peak - idle, answers)


async def _send(stand: Stand, uploads: int, size: int) -> dict[str, Any]:
    command = (sys.executable, "-m", "bench.sending", stand.stack.address_of("gateway"), str(uploads), str(size))
    environment = {**os.environ, **stand.stack.variables}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=REPOSITORY, env=environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the uploads ended with exit code {process.returncode}")
    told: dict[str, Any] = json.loads(out)
    return told


async def _asked(http: httpx.AsyncClient, job: str) -> float:
    """Seconds until a status is answered, its connection included, as for a client that asks now and then."""
    began = time.monotonic()
    (await http.get(f"/api/v1/video-editors/pro-job/{job}/status")).raise_for_status()
    return time.monotonic() - began


async def _whole(stand: Stand, jobs: Sequence[str], size: int) -> int:
    """How many of the videos are in the storage with all their bytes."""
    found = await Ledger(engine_for(stand.stack.variables["DATABASE_URL"])).jobs_by_id(jobs)
    stored = [stand.store.head(parse_uri(job.request["video"])[1]) for job in found.values()]
    return sum(1 for each in stored if each is not None and each.size == size)


def _section(quiet: Sequence[float], loads: Sequence[Load]) -> Section:
    rows = [
        (
            f"{load.uploads} x {load.size // MB:,} MB",
            f"{load.whole} of {load.uploads}",
            shown(load.uploads * load.size / MB / load.seconds, 0),
            shown(load.peak / MIB, 1),
            *(shown(each * 1000, 0) for each in (median(load.answers), percentile(load.answers, 0.95))),
        )
        for load in loads
    ]
    return Section(
        letter="f",
        title="The front door: uploads at once",
        how=(
            "Forms with a video of random bytes, sent at once by one process over HTTP, and stored by the local object "
            "store; their jobs are opened and their runs started, and no worker takes them. Memory: the most above the "
            "idle door, in MiB of its own (USS). Status: requests of another client meanwhile, each on a connection "
            f"of its own, in ms; while nothing is sent it takes {median(quiet) * 1000:.0f} (p50)."
        ),
        table=Table(("", "whole", "MB/s", "MiB above idle", "status p50", "status p95"), rows),
        unit="ms, p95 of a status request",
        series=[
            Series(
                "status meanwhile",
                [(f"{load.uploads} x {load.size // MB} MB", percentile(load.answers, 0.95) * 1000) for load in loads],
            )
        ],
        targets=[target for load in loads for target in _targets(load)],
    )


def _targets(load: Load) -> list[Target]:
    name, most = f"{load.uploads} x {load.size // MB:,} MB", MOST_FOR_ONE if load.uploads == 1 else MOST_FOR_ALL
    p95 = percentile(load.answers, 0.95)
    return [
        Target(f"nothing of {name} is lost", f"{load.whole} whole", load.whole == load.uploads),
        Target(f"{name} in under {most} MiB", f"{load.peak / MIB:.1f} MiB", load.peak < most * MIB),
        Target(f"status p95 under {STATUS_P95 * 1000:.0f} ms during {name}", f"{p95 * 1000:.0f} ms", p95 < STATUS_P95),
    ]
