"""A docs/benchmarks*.md page and its plot, made from the recorded results of its parts.

The full form takes hours. So each part's results are stored beside the page (.json), and a new measurement replaces
only its own part.
"""

import math
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import psutil
from pydantic import TypeAdapter

from tests.benchmarks.plot import write_plot
from tests.benchmarks.resource_usage import MIB
from tests.benchmarks.stats import Section, Series, Table, Target

_INTRODUCTION: Final = """\
# Benchmarks

Written by `make bench` (`make bench FORM=short` is a short form; `PART=a` measures one part only and leaves the others
as they are). Each part is measured in one go, side by side. What needs a stack has the local one: Postgres, object
store, Prefect server, the vendors' emulators and what is measured share one machine. The emulators hand the video
through as it came, so their work costs next to nothing.
"""


@dataclass(frozen=True, slots=True)
class RecordedSection:
    """One part, and the conditions of its measurement."""

    section: Section
    form: str
    ended: str
    minutes: float
    load: float
    """The machine's load average before all parts. Above 0.5, other programs were running, and times are too long."""
    machine: str


_RECORDS: Final = TypeAdapter(dict[str, RecordedSection])


def update_page(page: Path, section: Section, profile: str, *, seconds: float, load: float) -> None:
    """Replace a part's earlier results; rewrite the page and the plot."""
    data_file = page.with_suffix(".json")
    found = _RECORDS.validate_json(data_file.read_bytes()) if data_file.exists() else {}
    ended = time.strftime("%Y-%m-%d at %H:%M")
    found[section.letter] = RecordedSection(
        _without_nan(section), profile, ended, seconds / 60, load, _describe_machine()
    )
    found = dict(sorted(found.items()))
    data_file.write_bytes(_RECORDS.dump_json(found, indent=1) + b"\n")
    sections = [measured.section for measured in found.values()]
    plot = page.with_suffix(".svg")
    write_plot(plot, sections)
    blocks = [
        _INTRODUCTION,
        _markdown(_provenance_table(found)),
        f"![The figures as bars]({plot.name})",
        f"## Targets\n\n{_markdown(_target_table(found))}",
        *map(_section_block, sections),
    ]
    page.write_text("\n\n".join(block.strip() for block in blocks) + "\n")


def _without_nan(section: Section) -> Section:
    """JSON has no NaN, and bars without a value are not drawn."""
    drawn = [
        Series(series.name, [(name, value) for name, value in series.points if not math.isnan(value)])
        for series in section.series
    ]
    return replace(section, series=drawn)


def _describe_machine() -> str:
    memory = psutil.virtual_memory().total / MIB / 1024
    return (
        f"{os.cpu_count()} cores ({_processor_name()}), {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def _processor_name() -> str:
    """The processor's model name, if the system provides it."""
    facts = Path("/proc/cpuinfo")
    names = [line for line in facts.read_text().splitlines() if line.startswith("model name")] if facts.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _provenance_table(found: Mapping[str, RecordedSection]) -> Table:
    rows = [
        (letter, each.form, each.ended, f"{each.minutes:.0f} min", f"{each.load:.1f}", each.machine)
        for letter, each in found.items()
    ]
    return Table(("part", "form", "measured on", "in", "load before", "machine"), rows)


def _target_table(found: Mapping[str, RecordedSection]) -> Table:
    rows = [
        (letter, target.promise, target.measured, _format_met(target))
        for letter, each in found.items()
        for target in each.section.targets
    ]
    return Table(("", "target", "measured", "met"), rows)


def _format_met(target: Target) -> str:
    return {True: "yes", False: "**no**", None: "–"}[target.met]


def _section_block(section: Section) -> str:
    notes = "".join(f"\n\n{note}" for note in section.notes)
    return f"## {section.letter}. {section.title}\n\n{section.how}\n\n{_markdown(section.table)}{notes}"


def _markdown(table: Table) -> str:
    """The first column is left-aligned, numbers are right-aligned."""
    rule = ["---", *("---:" for _ in table.columns[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (table.columns, rule, *table.rows))
