"""Part f: many uploads at once to the API: throughput, memory, and the latency of other requests."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.benchmarks.harness import REPOSITORY_ROOT, Harness
from tests.benchmarks.profiles import MB, Profile
from tests.benchmarks.resource_usage import MIB, service_processes
from tests.benchmarks.stats import Section, Series, Table, Target, format_number, median, percentile
from videojobs.db import JobRepository, get_engine
from videojobs.storage.object_store import parse_uri

POLL_INTERVAL: Final = 0.05
IDLE_SAMPLES: Final = 100
MAX_MIB_SINGLE: Final = 64  # MiB above idle
MAX_MIB_CONCURRENT: Final = 256  # MiB above idle: 24 parts of 5 MiB, and the memory of connections and threads
MAX_STATUS_P95: Final = 0.1  # seconds


@dataclass(frozen=True, slots=True)
class UploadResult:
    """The results of one upload load. Memory in bytes above the idle API, times in seconds."""

    uploads: int
    size: int
    seconds: float
    complete: int  # uploads whose bytes are all in the store
    peak: int
    status_latencies: Sequence[float]  # of status requests meanwhile


async def measure(profile: Profile, harness: Harness) -> Section:
    [job] = (await _run_upload_client(harness, 1, MB))["jobs"]
    headers = {"Authorization": f"Bearer {harness.stack.variables['VIDEOJOBS_TOKEN']}"}
    no_keepalive = httpx.Limits(max_keepalive_connections=0)
    address = harness.stack.address_of("api")
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60, limits=no_keepalive) as http:
        idle_latencies = [await _time_status_request(http, job) for _ in range(IDLE_SAMPLES)]
        loads = [await _measure_uploads(harness, http, job, uploads, size) for uploads, size in profile.uploads]
    return _section(idle_latencies, loads)


async def _measure_uploads(
    harness: Harness, http: httpx.AsyncClient, job: str, uploads: int, size: int
) -> UploadResult:
    """Concurrent uploads, while another client polls a job's status."""
    api_process = next(process for process, part in service_processes(harness.stack.data) if part == "api")
    idle = api_process.memory_full_info().uss
    sending = asyncio.create_task(_run_upload_client(harness, uploads, size))
    peak, answers = idle, []
    while not sending.done():
        answers.append(await _time_status_request(http, job))
        peak = max(peak, api_process.memory_full_info().uss)
        await asyncio.sleep(POLL_INTERVAL)
    sent = await sending
    return UploadResult(
        uploads, size, sent["seconds"], await _count_complete(harness, sent["jobs"], size), peak - idle, answers
    )


async def _run_upload_client(harness: Harness, uploads: int, size: int) -> dict[str, Any]:
    command = (
        sys.executable,
        "-m",
        "tests.benchmarks.upload_client",
        harness.stack.address_of("api"),
        str(uploads),
        str(size),
    )
    environment = {**os.environ, **harness.stack.variables}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=REPOSITORY_ROOT, env=environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the uploads ended with exit code {process.returncode}")
    report: dict[str, Any] = json.loads(out)
    return report


async def _time_status_request(http: httpx.AsyncClient, job: str) -> float:
    """Seconds until a status response, including a new connection, as for an occasional client."""
    began = time.monotonic()
    (await http.get(f"/api/v1/video-editors/pro-job/{job}/status")).raise_for_status()
    return time.monotonic() - began


async def _count_complete(harness: Harness, jobs: Sequence[str], size: int) -> int:
    """The number of videos that are complete in the store."""
    found = await JobRepository(get_engine(harness.stack.variables["DATABASE_URL"])).jobs_by_id(jobs)
    stored = [harness.store.head(parse_uri(job.request["video"])[1]) for job in found.values()]
    return sum(1 for each in stored if each is not None and each.size == size)


def _section(idle_latencies: Sequence[float], loads: Sequence[UploadResult]) -> Section:
    rows = [
        (
            f"{load.uploads} x {load.size // MB:,} MB",
            f"{load.complete} of {load.uploads}",
            format_number(load.uploads * load.size / MB / load.seconds, 0),
            format_number(load.peak / MIB, 1),
            *(
                format_number(each * 1000, 0)
                for each in (median(load.status_latencies), percentile(load.status_latencies, 0.95))
            ),
        )
        for load in loads
    ]
    return Section(
        letter="f",
        title="The API: concurrent uploads",
        how=(
            "Forms with a video of random bytes, sent concurrently by one process over HTTP, and stored by the local "
            "object store. Their jobs are created and their runs scheduled; no worker runs. Memory: the maximum above "
            "the idle API process, in MiB of its own (USS). Status: concurrent requests of another client, each on a "
            f"connection of its own, in ms; without uploads, one takes {median(idle_latencies) * 1000:.0f} (p50)."
        ),
        table=Table(("", "whole", "MB/s", "MiB above idle", "status p50", "status p95"), rows),
        unit="ms, p95 of a status request",
        series=[
            Series(
                "status meanwhile",
                [
                    (f"{load.uploads} x {load.size // MB} MB", percentile(load.status_latencies, 0.95) * 1000)
                    for load in loads
                ],
            )
        ],
        targets=[target for load in loads for target in _targets(load)],
    )


def _targets(load: UploadResult) -> list[Target]:
    name, most = f"{load.uploads} x {load.size // MB:,} MB", MAX_MIB_SINGLE if load.uploads == 1 else MAX_MIB_CONCURRENT
    p95 = percentile(load.status_latencies, 0.95)
    return [
        Target(f"nothing of {name} is lost", f"{load.complete} whole", load.complete == load.uploads),
        Target(f"{name} in under {most} MiB", f"{load.peak / MIB:.1f} MiB", load.peak < most * MIB),
        Target(
            f"status p95 under {MAX_STATUS_P95 * 1000:.0f} ms during {name}",
            f"{p95 * 1000:.0f} ms",
            p95 < MAX_STATUS_P95,
        ),
    ]
