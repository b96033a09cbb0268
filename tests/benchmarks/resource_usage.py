"""Memory and processor time of each service of a stack, found by its process tag."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from deployments.local.stack.process_tags import TAG_VARIABLE, data_dir_tag

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """The usage of one service with all its processes. PSS divides shared memory among them, USS excludes it."""

    pss: int = 0  # bytes
    uss: int = 0  # bytes
    cpu: float = 0.0  # seconds since the start of each process, including its ended children
    processes: int = 0

    def __add__(self, other: "ResourceUsage") -> "ResourceUsage":
        return ResourceUsage(
            self.pss + other.pss, self.uss + other.uss, self.cpu + other.cpu, self.processes + other.processes
        )


def usage_by_service(data: Path) -> dict[str, ResourceUsage]:
    """The usage by service name, for the stack on this data folder and processes started beside it."""
    found: dict[str, ResourceUsage] = {}
    for process, part in service_processes(data):
        with suppress(psutil.Error):
            found[part] = found.get(part, ResourceUsage()) + _process_usage(process)
    return found


def service_processes(data: Path) -> Iterator[tuple[psutil.Process, str]]:
    """All processes of that stack, each with its service."""
    mark = data_dir_tag(data)
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if part := _service_of(process, mark):
                yield process, part


def cpu_between(before: Mapping[str, ResourceUsage], after: Mapping[str, ResourceUsage]) -> dict[str, float]:
    """Each service's processor time, in seconds, between two samples."""
    return {part: max(0.0, usage.cpu - before.get(part, ResourceUsage()).cpu) for part, usage in after.items()}


def _service_of(process: psutil.Process, tag: str) -> str | None:
    if process.name() == "postgres":  # its process title overwrites its environment
        return "postgres" if _belongs_to_stack(process, tag) else None
    given = process.environ().get(TAG_VARIABLE, "")
    return given.rpartition(".")[2] if given.startswith(tag) else None


def _belongs_to_stack(process: psutil.Process, tag: str) -> bool:
    """Whether it is a Postgres process of this stack. The tag is the cluster's name, which most titles contain."""
    family = [process, process.parent()]
    return any(member is not None and tag in " ".join(member.cmdline()) for member in family)


def _process_usage(process: psutil.Process) -> ResourceUsage:
    memory, times = process.memory_full_info(), process.cpu_times()
    cpu = times.user + times.system + times.children_user + times.children_system
    return ResourceUsage(pss=memory.pss, uss=memory.uss, cpu=cpu, processes=1)
