"""Measures, and writes docs/benchmarks.md with its plot; the front door has a page of its own beside it.

A page is written when all its parts were measured in one go; else the figures are only shown.

python -m bench [--form full|short] [--part a ...] [--profile FILE]
"""

import argparse
import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from bench import copying, density, front_door, latency, overhead, throughput
from bench.figures import Section
from bench.forms import FORMS, Form
from bench.page import write_page
from bench.plot import write_plot
from bench.stand import REPOSITORY, Stand, open_stand

PAGES: Final = {
    REPOSITORY / "docs" / "benchmarks.md": "abcde",  # the chain
    REPOSITORY / "docs" / "benchmarks-front-door.md": "f",
}
Measure = Callable[[Form, Stand], Awaitable[Section]]


async def main(form: Form, letters: Sequence[str], profile: Path | None) -> None:
    parts: dict[str, Measure] = {
        "a": latency.measure,
        "b": overhead.measure,
        "d": partial(throughput.measure, profile=profile),
        "e": copying.measure,
        "f": front_door.measure,
    }
    began, (load, *_) = time.monotonic(), os.getloadavg()
    sections = []
    if shared := [measure for letter, measure in parts.items() if letter in letters]:
        async with open_stand() as stand:
            for measure in shared:
                sections.append(_shown(await measure(form, stand)))
    if "c" in letters:
        sections.append(_shown(await density.measure(form)))
    sections.sort(key=lambda section: section.letter)
    seconds = time.monotonic() - began
    for page, theirs in PAGES.items():
        found = [section for section in sections if section.letter in theirs]
        if len(found) == len(theirs):  # figures of another day do not stand beside these
            plot = page.with_suffix(".svg")
            write_plot(plot, found)
            write_page(page, plot, form, found, seconds=seconds, load=load)
            print(f"{page.relative_to(REPOSITORY)} is written, after {seconds / 60:.1f} min")


def _shown(section: Section) -> Section:
    print(f"\n{time.strftime('%H:%M:%S')} {section.letter}. {section.title}", flush=True)
    for row in (section.table.columns, *section.table.rows):
        print("  " + "  ".join(f"{cell:>14}" for cell in row), flush=True)
    return section


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--form", choices=FORMS, default="full")
    parser.add_argument("--part", choices="abcdef", nargs="*", default="abcdef")
    parser.add_argument("--profile", type=Path, help="where the profile of part d's worker goes (cProfile's format)")
    return parser.parse_args()


if __name__ == "__main__":
    given = _arguments()
    asyncio.run(main(FORMS[given.form], given.part, given.profile))
