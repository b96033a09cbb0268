"""Measures, and writes docs/benchmarks.md with its plot; the front door and lectures have pages of their own.

python -m bench [--form full|short] [--part a ...] [--profile FILE]
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

from bench import copying, density, endurance, front_door, latency, lecture, lectures_at_once, overhead, throughput
from bench.figures import Section
from bench.forms import FORMS, PARTS, Form
from bench.page import write
from bench.stand import REPOSITORY, Stand, open_stand

CHAIN: Final = REPOSITORY / "docs" / "benchmarks.md"
OTHERS: Final = {
    "f": REPOSITORY / "docs" / "benchmarks-front-door.md",
    "g": REPOSITORY / "docs" / "benchmarks-lecture.md",
    "h": REPOSITORY / "docs" / "benchmarks-lecture.md",
}
Measure = Callable[[Form, Stand], Awaitable[Section]]


async def main(form: Form, letters: Sequence[str], profile: Path | None) -> None:
    parts: dict[str, Measure] = {
        "a": latency.measure,
        "b": overhead.measure,
        "d": partial(throughput.measure, profile=profile),
        "e": copying.measure,
        "f": front_door.measure,
        "h": lectures_at_once.measure,
        "i": endurance.measure,
    }
    began, (load, *_) = time.monotonic(), os.getloadavg()
    shared = [measure for letter, measure in parts.items() if letter in letters]
    beside = "c" in letters and not form.density_apart
    if shared or beside:
        async with open_stand() as stand:
            for measure in shared:
                await _measured(form, partial(measure, form, stand), load)
            if beside:
                await _measured_in_steps(form, density.measure(form, lambda: nullcontext(stand)), load)
    if "c" in letters and form.density_apart:
        await _measured_in_steps(form, density.measure(form, partial(open_stand, density.THOUSANDS)), load)
    if "g" in letters:  # without a stack
        await _measured(form, partial(lecture.measure, form), load)
    print(f"All is measured and written, after {(time.monotonic() - began) / 60:.1f} min")


async def _measured(form: Form, measure: Callable[[], Awaitable[Section]], load: float) -> None:
    """Written at once: hours of measuring may end early."""
    began = time.monotonic()
    _written(form, await measure(), began, load)


async def _measured_in_steps(form: Form, measure: AsyncIterator[Section], load: float) -> None:
    """Each step tells again what was known before."""
    began = time.monotonic()
    async for section in measure:
        _written(form, section, began, load)


def _written(form: Form, section: Section, began: float, load: float) -> None:
    page = OTHERS.get(section.letter, CHAIN)
    write(page, _shown(section), form.name, seconds=time.monotonic() - began, load=load)


def _shown(section: Section) -> Section:
    print(f"\n{time.strftime('%H:%M:%S')} {section.letter}. {section.title}", flush=True)
    for row in (section.table.columns, *section.table.rows):
        print("  " + "  ".join(f"{cell:>14}" for cell in row), flush=True)
    return section


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--form", choices=FORMS, default="full")
    parser.add_argument("--part", choices=PARTS, nargs="*")
    parser.add_argument("--profile", type=Path, help="where the profile of part d's worker goes (cProfile's format)")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    form = FORMS[given.form]
    asyncio.run(main(form, given.part or form.parts, given.profile))
