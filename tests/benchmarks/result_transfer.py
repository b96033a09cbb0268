"""Part e: the speed of storing a vendor's result, and its memory."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.baselines.copy_once import COPY_METHODS
from tests.benchmarks.harness import REPOSITORY_ROOT, Harness
from tests.benchmarks.profiles import MB, Profile
from tests.benchmarks.resource_usage import MIB
from tests.benchmarks.stats import Section, Series, Table, Target, format_number, median

LINK_SECONDS: Final = 3600
LABELS: Final = {"ours": "streamed (ours)", "plain": "plain"}


@dataclass(frozen=True, slots=True)
class CopyResults:
    """All copies of one size with one method: MB/s, and bytes above the idle memory."""

    way: str
    size: int
    speeds: Sequence[float]
    peaks: Sequence[int]


async def measure(profile: Profile, harness: Harness) -> Section:
    found: list[CopyResults] = []
    for size, times in profile.copies.items():
        found += await _measure_size(harness, size, times)
    return _section(profile, found)


async def _measure_size(harness: Harness, size: int, times: int) -> list[CopyResults]:
    """Alternate both methods, so that other load on the machine affects both."""
    key = f"bench/result-{size}"
    await asyncio.to_thread(_upload_random_file, harness, key, size)
    url = harness.store.presign(key, LINK_SECONDS)
    lines: dict[str, list[Mapping[str, float]]] = {way: [] for way in COPY_METHODS}
    for _ in range(times):
        for way in COPY_METHODS:
            lines[way].append(await _run_copy(harness, way, url, f"{key}-copy"))
            await asyncio.to_thread(harness.store.delete, [f"{key}-copy"])
    await asyncio.to_thread(harness.store.delete, [key])
    return [
        CopyResults(way, size, [size / MB / line["seconds"] for line in done], [int(line["peak"]) for line in done])
        for way, done in lines.items()
    ]


async def _run_copy(harness: Harness, way: str, url: str, key: str) -> Mapping[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.baselines.copy_once", way, url, key]
    environment = {**os.environ, **harness.stack.variables}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=REPOSITORY_ROOT, env=environment, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the copy ({way}) failed with exit code {process.returncode}")
    figures: Mapping[str, float] = json.loads(out)
    return figures


def _upload_random_file(harness: Harness, key: str, size: int) -> None:
    """A file of random bytes, incompressible like video."""
    block = os.urandom(MB)
    path: Path = harness.folder / "noise"
    with path.open("wb") as file:
        for _ in range(size // MB):
            file.write(block)
    harness.store.put_file(key, path, "video/mp4")
    path.unlink()


def _section(profile: Profile, found: Sequence[CopyResults]) -> Section:
    rows = [
        (
            f"{each.size / MB:,.0f} MB",
            LABELS[each.way],
            format_number(median(each.speeds), 0),
            format_number(median(each.speeds) / _baseline_speed(found, each.size)),
            format_number(max(each.peaks) / MIB, 1),
        )
        for each in found
    ]
    ours = [each for each in found if each.way == "ours"]
    slowest = min(median(each.speeds) / _baseline_speed(found, each.size) for each in ours)
    largest = max(max(each.peaks) for each in ours) / MIB
    return Section(
        letter="e",
        title="Bytes: a vendor's result on its way into storage",
        how=(
            "From a link into the bucket, each copy in a process of its own, both ways in turns; medians of "
            f"{', '.join(str(times) for times in profile.copies.values())} copies. The link is one of the object "
            "store's "
            "own (the fastest server here), so one server sends and takes at the same time. `plain`: httpx into a "
            "file, then boto3's `upload_file`. Speed in MB/s (1,000,000 bytes). Memory: the most above the idle "
            "process, in MiB; what the plain copy keeps on disk is not in it."
        ),
        table=Table(("size", "", "MB/s", "against plain", "MiB above idle"), rows),
        unit="MB/s",
        series=[
            Series(LABELS[way], [(f"{e.size // MB} MB", median(e.speeds)) for e in found if e.way == way])
            for way in COPY_METHODS
        ],
        targets=[
            Target("at least 0.9 of the plain copy's speed", f"{slowest:.2f} at worst", slowest >= 0.9),
            Target("under 64 MiB above idle", f"{largest:.1f} MiB at most", largest < 64),
        ],
    )


def _baseline_speed(found: Sequence[CopyResults], size: int) -> float:
    return median(next(each.speeds for each in found if each.way == "plain" and each.size == size))
