"""The pages docs/benchmarks*.md."""

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psutil

from bench.figures import Section, Table, Target
from bench.forms import Form
from bench.usage import MIB

_INTRODUCTION: Final = """\
# Benchmarks

Written by `make bench` (`make bench FORM=short` is a short form; with `PART=a` only that part is measured, and shown;
`PART=f` is all of the front door's page). All is measured in one go on the local stack: Postgres, object store,
Prefect server, the vendors' emulators and what is measured share one machine. The emulators hand the video through as
it came, so their work costs next to nothing.
"""


def write_page(page: Path, plot: Path, form: Form, sections: Sequence[Section], *, seconds: float, load: float) -> None:
    """Replace the page by what these sections say. `load`: the machine's load average before anything began."""
    when = (
        f"Measured on {time.strftime('%Y-%m-%d at %H:%M')}, form `{form.name}`, in {seconds / 60:.0f} min. The load "
        f"average before it was {load:.1f}: more than 0.5 means that something else ran, and that times are too long."
    )
    picture = f"![The figures as bars]({plot.name})"
    blocks = [_INTRODUCTION, f"{when}\n\n{_machine()}", picture, _summary(sections), *map(_part, sections)]
    page.write_text("\n\n".join(block.strip() for block in blocks) + "\n")


def _machine() -> str:
    memory = psutil.virtual_memory().total / MIB / 1024
    return (
        f"Machine: {os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB of memory, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}."
    )


def _processor() -> str:
    """The model's name, where the system says it."""
    facts = Path("/proc/cpuinfo")
    names = [line for line in facts.read_text().splitlines() if line.startswith("model name")] if facts.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _summary(sections: Sequence[Section]) -> str:
    rows = [
        (section.letter, target.promise, target.measured, _verdict(target))
        for section in sections
        for target in section.targets
    ]
    return f"## Targets\n\n{_markdown(Table(('', 'target', 'measured', 'met'), rows))}"


def _verdict(target: Target) -> str:
    return {True: "yes", False: "**no**", None: "–"}[target.met]


def _part(section: Section) -> str:
    notes = "".join(f"\n\n{note}" for note in section.notes)
    return f"## {section.letter}. {section.title}\n\n{section.how}\n\n{_markdown(section.table)}{notes}"


def _markdown(table: Table) -> str:
    """The first column to the left, numbers to the right."""
    rule = ["---", *("---:" for _ in table.columns[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (table.columns, rule, *table.rows))
