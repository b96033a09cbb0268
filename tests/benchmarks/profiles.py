"""How much is measured: the full form, and a short one of four minutes."""

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
    """What is measured where no part is named."""
    latency_jobs: tuple[int, ...]
    beat_seconds: float
    """How often the model of the old design looks at its jobs. Its real interval is 60 s."""
    latency_polls: Mapping[str, str]
    """The pauses between questions in part a, where they are not the product's own."""
    process_jobs: tuple[int, ...]
    """As `latency_jobs`, for the stock process pool: ten processes keep two cores busy for minutes."""
    process_slots: int
    """Runs at once of the stock process pool: each is a process that needs seconds of a core to start."""
    overhead_jobs: int
    density_jobs: tuple[int, ...]
    density_processes: int
    """As many as the stock process pool holds here; larger numbers are extrapolated."""
    density_isolated: bool
    """Whether each number has a stand of its own, instead of that of the other parts."""
    density_seconds: float
    """How long waiting jobs are watched, after as long to settle."""
    throughput_jobs: int
    workers: tuple[int, ...]
    endurance_jobs: tuple[int, ...]
    """After how many jobs a worker's memory is looked at; the middle one is half of the last."""
    copies: Mapping[int, int]
    """Bytes of the file, and how often it is copied each way."""
    lecture_minutes: tuple[int, ...]
    """Of the lectures in part g."""
    lectures_at_once: int
    uploads: tuple[tuple[int, int], ...]
    """How many files are sent at once to the front door, and their bytes."""


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
