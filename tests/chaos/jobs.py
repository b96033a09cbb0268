"""The clients' jobs during the chaos run: a mix, in which some must fail."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal

ExpectedOutcome = Literal["completed", "failed", "parked"]
VendorFault = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class JobSpec:
    """A job that a client requests: when (seconds after the start), and how it may end."""

    job_id: str
    start_at: float
    label: str
    has_areas: bool
    is_invalid: bool = False
    faults: Sequence[VendorFault] = ()
    expected_outcomes: tuple[ExpectedOutcome, ...] = ("completed",)


# Weights out of a hundred.
_JOB_MIX: Final[Mapping[str, int]] = {
    "lip-sync": 54,
    "with areas": 34,
    "Sync.so fails": 4,
    "GhostCut fails": 4,
    "bad": 4,
}
_FAULT_RATE: Final = 0.2  # share of jobs with a vendor fault, in addition to the kills
_SYNC_SO_FAULTS: Final[Sequence[Mapping[str, Any]]] = (
    {"kind": "reset", "when": "after"},
    {"kind": "http_error", "when": "after", "status": 502},
    {"kind": "malformed", "when": "after"},
    {"kind": "rate_limited", "times": 2},
    {"kind": "http_error", "on": "status", "status": 503, "times": 3},
    {"kind": "truncated_download"},
    {"kind": "expired_link"},
)
_GHOSTCUT_FAULTS: Final[Sequence[Mapping[str, Any]]] = (
    {"kind": "reset", "when": "after"},
    {"kind": "code", "code": 3006, "times": 2},
    {"kind": "malformed", "on": "status", "times": 2},
    {"kind": "truncated_download"},
    {"kind": "expired_link"},
    {"kind": "callback", "effect": "drop"},
    {"kind": "callback", "effect": "duplicate"},
)


def generate_jobs(rng: Random, count: int, seconds: float) -> list[JobSpec]:
    """The given number of jobs, spread over the given time, in the order of their requests."""
    times = sorted(rng.uniform(0, seconds) for _ in range(count))
    return [_generate_job(rng, f"chaos-{number:04}", at) for number, at in enumerate(times, start=1)]


def _generate_job(rng: Random, job_id: str, at: float) -> JobSpec:
    [what] = rng.choices(list(_JOB_MIX), list(_JOB_MIX.values()))
    areas = what in ("with areas", "GhostCut fails")
    ends: tuple[ExpectedOutcome, ...] = ("completed",)
    faults: list[VendorFault] = []
    if what == "Sync.so fails":
        faults, ends = [("sync_so", {"kind": "ends"})], ("failed",)
    if what == "GhostCut fails":
        faults, ends = [("ghostcut", {"kind": "ends", "status": 20})], ("failed",)
    if what == "bad":
        ends = ("failed",)
    elif rng.random() < _FAULT_RATE:
        vendor = rng.choice(["sync_so", "ghostcut"] if areas else ["sync_so"])
        faults.append((vendor, rng.choice(_SYNC_SO_FAULTS if vendor == "sync_so" else _GHOSTCUT_FAULTS)))
    return JobSpec(job_id, at, what, areas, is_invalid=what == "bad", faults=faults, expected_outcomes=ends)
