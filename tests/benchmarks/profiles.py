"""Benchmark sizes: the full form, and a short one of four minutes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MB: Final = 1_000_000  # bytes, as in MB/s
PARTS: Final = "abcdefghi"


@dataclass(frozen=True, slots=True)
class Profile:
    """The sizes of all parts. Times are seconds."""

    name: str
    parts: str
    """The parts to measure if none is named."""
    latency_jobs: tuple[int, ...]
    beat_seconds: float
    """The interval at which the old design's model checks its jobs. The real interval is 60 s."""
    latency_polls: Mapping[str, str]
    """Poll intervals in part a that differ from the product's."""
    process_jobs: tuple[int, ...]
    """Like `latency_jobs`, for the stock process pool: ten processes keep two cores busy for minutes."""
    process_slots: int
    """Concurrent runs of the stock process pool: each is a process that needs seconds of a core to start."""
    overhead_jobs: int
    density_jobs: tuple[int, ...]
    density_processes: int
    """The capacity of the stock process pool here; larger numbers are extrapolated."""
    density_isolated: bool
    """Whether each number of jobs gets its own harness instead of the other parts' one."""
    density_seconds: float
    """How long waiting jobs are measured, after an equal time to settle."""
    throughput_jobs: int
    workers: tuple[int, ...]
    endurance_jobs: tuple[int, ...]
    """The numbers of jobs after which a worker's memory is measured; the middle one is half of the last."""
    copies: Mapping[int, int]
    """Bytes of the file, and the number of copies for each method."""
    lecture_minutes: tuple[int, ...]
    """Lengths of the lectures in part g."""
    lectures_at_once: int
    uploads: tuple[tuple[int, int], ...]
    """The number of files uploaded at once, and their size in bytes."""


FULL: Final = Profile(
    name="full",
    parts=PARTS,
    latency_jobs=(1, 10, 100),
    beat_seconds=60,
    latency_polls={},
    process_jobs=(1, 10, 100),
    process_slots=10,
    overhead_jobs=7,
    density_jobs=(100, 1000, 5000),
    density_processes=20,
    density_isolated=True,
    density_seconds=60,
    throughput_jobs=60,
    workers=(1, 2, 4),
    endurance_jobs=(100, 250, 500, 750, 1000),
    copies={10 * MB: 7, 200 * MB: 5, 2000 * MB: 3},
    lecture_minutes=(1, 10),
    lectures_at_once=10,
    uploads=((1, 2000 * MB), (50, 20 * MB)),
)
SHORT: Final = Profile(
    name="short",
    parts="abcde",
    latency_jobs=(3,),
    beat_seconds=5,
    latency_polls={
        "VIDEOJOBS_GHOSTCUT_POLL_FIRST_SECONDS": "3",
        "VIDEOJOBS_GHOSTCUT_POLL_MAX_SECONDS": "6",
    },
    process_jobs=(1,),
    process_slots=5,
    overhead_jobs=2,
    density_jobs=(4,),
    density_processes=1,
    density_isolated=False,
    density_seconds=2,
    throughput_jobs=6,
    workers=(1,),
    endurance_jobs=(10, 20, 40),
    copies={50 * MB: 2},
    lecture_minutes=(1,),
    lectures_at_once=3,
    uploads=((1, 2000 * MB), (50, 20 * MB)),
)
PROFILES: Final = {form.name: form for form in (FULL, SHORT)}
