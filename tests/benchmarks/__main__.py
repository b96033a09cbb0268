"""Measures, and writes docs/benchmarks.md with its plot. The API and lectures have pages of their own.

python -m tests.benchmarks [--form full|short] [--part a ...] [--profile FILE]
"""

import argparse
import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Final

from tests.benchmarks import (
    concurrent_lectures,
    density,
    endurance,
    latency,
    lecture,
    overhead,
    result_transfer,
    throughput,
    uploads,
)
from tests.benchmarks.harness import REPOSITORY_ROOT, Harness, open_harness
from tests.benchmarks.profiles import PARTS, PROFILES, Profile
from tests.benchmarks.report import update_page
from tests.benchmarks.stats import Section

MAIN_PAGE: Final = REPOSITORY_ROOT / "docs" / "benchmarks.md"
PAGE_BY_LETTER: Final = {
    "f": REPOSITORY_ROOT / "docs" / "benchmarks-api.md",
    "g": REPOSITORY_ROOT / "docs" / "benchmarks-lecture.md",
    "h": REPOSITORY_ROOT / "docs" / "benchmarks-lecture.md",
}
MeasureFunction = Callable[[Profile, Harness], Awaitable[Section]]


async def main(profile: Profile, letters: Sequence[str], cpu_profile: Path | None) -> None:
    parts: dict[str, MeasureFunction] = {
        "a": latency.measure,
        "b": overhead.measure,
        "d": partial(throughput.measure, cpu_profile=cpu_profile),
        "e": result_transfer.measure,
        "f": uploads.measure,
        "h": concurrent_lectures.measure,
        "i": endurance.measure,
    }
    began, (load, *_) = time.monotonic(), os.getloadavg()
    shared = [measure for letter, measure in parts.items() if letter in letters]
    shares_harness = "c" in letters and not profile.density_isolated
    if shared or shares_harness:
        async with open_harness() as stand:
            for measure in shared:
                await _measure_and_write(profile, partial(measure, profile, stand), load)
            if shares_harness:
                await _measure_and_write_steps(profile, density.measure(profile, lambda: nullcontext(stand)), load)
    if "c" in letters and profile.density_isolated:
        await _measure_and_write_steps(
            profile, density.measure(profile, partial(open_harness, density.LARGE_SCALE_SETTINGS)), load
        )
    if "g" in letters:  # needs no stack
        await _measure_and_write(profile, partial(lecture.measure, profile), load)
    print(f"All is measured and written, after {(time.monotonic() - began) / 60:.1f} min")


async def _measure_and_write(profile: Profile, measure: Callable[[], Awaitable[Section]], load: float) -> None:
    """Measure one part and write it at once: hours of measuring may be interrupted."""
    began = time.monotonic()
    _write_section(profile, await measure(), began, load)


async def _measure_and_write_steps(profile: Profile, measure: AsyncIterator[Section], load: float) -> None:
    """Each step includes all earlier results."""
    began = time.monotonic()
    async for section in measure:
        _write_section(profile, section, began, load)


def _write_section(profile: Profile, section: Section, began: float, load: float) -> None:
    page = PAGE_BY_LETTER.get(section.letter, MAIN_PAGE)
    update_page(page, _print_section(section), profile.name, seconds=time.monotonic() - began, load=load)


def _print_section(section: Section) -> Section:
    print(f"\n{time.strftime('%H:%M:%S')} {section.letter}. {section.title}", flush=True)
    for row in (section.table.columns, *section.table.rows):
        print("  " + "  ".join(f"{cell:>14}" for cell in row), flush=True)
    return section


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--form", choices=PROFILES, default="full")
    parser.add_argument("--part", choices=PARTS, nargs="*")
    parser.add_argument("--profile", type=Path, help="where the profile of part d's worker goes (cProfile's format)")
    return parser.parse_args()


if __name__ == "__main__":
    given = _parse_arguments()
    selected_profile = PROFILES[given.form]
    asyncio.run(main(selected_profile, given.part or selected_profile.parts, given.profile))
