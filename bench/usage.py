"""Memory and processor time of each part of a stack, found by the mark that its processes carry."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from deployments.local.marking import MARK_VARIABLE, folder_mark

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one part with all its processes. PSS divides what processes share among them, USS leaves it out."""

    pss: int = 0  # bytes
    uss: int = 0  # bytes
    cpu: float = 0.0  # seconds since the start of each process, with its children that have ended
    processes: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.pss + other.pss, self.uss + other.uss, self.cpu + other.cpu, self.processes + other.processes)


def usage_of(data: Path) -> dict[str, Usage]:
    """By the part's name, for the stack on this data folder and what was started beside it."""
    found: dict[str, Usage] = {}
    for process, part in parts_of(data):
        with suppress(psutil.Error):
            found[part] = found.get(part, Usage()) + _usage(process)
    return found


def parts_of(data: Path) -> Iterator[tuple[psutil.Process, str]]:
    """All processes of that stack, and the parts that they are."""
    mark = folder_mark(data)
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if part := _part_of(process, mark):
                yield process, part


def cpu_between(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> dict[str, float]:
    """Seconds of processor time that each part has spent between two looks."""
    return {part: max(0.0, usage.cpu - before.get(part, Usage()).cpu) for part, usage in after.items()}


def _part_of(process: psutil.Process, mark: str) -> str | None:
    if process.name() == "postgres":  # writes its titles over its environment
        return "postgres" if _started_by(process, mark) else None
    given = process.environ().get(MARK_VARIABLE, "")
    return given.rpartition(".")[2] if given.startswith(mark) else None


def _started_by(process: psutil.Process, mark: str) -> bool:
    """Whether it is a Postgres of this stack: its mark is its cluster's name, which most of its titles show."""
    family = [process, process.parent()]
    return any(member is not None and mark in " ".join(member.cmdline()) for member in family)


def _usage(process: psutil.Process) -> Usage:
    memory, times = process.memory_full_info(), process.cpu_times()
    cpu = times.user + times.system + times.children_user + times.children_system
    return Usage(pss=memory.pss, uss=memory.uss, cpu=cpu, processes=1)
