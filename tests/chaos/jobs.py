"""What clients ask for during the chaos: a mix of jobs, some of which cannot go well."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Literal

Ending = Literal["completed", "failed", "parked"]
Fault = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Wish:
    """A job that some client wants: when it asks (seconds after the start), and how it may end."""

    job_id: str
    at: float
    what: str
    areas: bool
    bad: bool = False
    faults: Sequence[Fault] = ()
    ends: tuple[Ending, ...] = ("completed",)


# Out of a hundred.
_MIX: Final[Mapping[str, int]] = {"lip-sync": 54, "with areas": 34, "Sync.so fails": 4, "GhostCut fails": 4, "bad": 4}
_TROUBLED: Final = 0.2  # share of jobs for which something goes wrong at a vendor, beside the dying
_SYNC_SO_TROUBLES: Final[Sequence[Mapping[str, Any]]] = (
    {"kind": "reset", "when": "after"},
    {"kind": "http_error", "when": "after", "status": 502},
    {"kind": "malformed", "when": "after"},
    {"kind": "rate_limited", "times": 2},
    {"kind": "http_error", "on": "status", "status": 503, "times": 3},
    {"kind": "truncated_download"},
    {"kind": "expired_link"},
)
_GHOSTCUT_TROUBLES: Final[Sequence[Mapping[str, Any]]] = (
    {"kind": "reset", "when": "after"},
    {"kind": "code", "code": 3006, "times": 2},
    {"kind": "malformed", "on": "status", "times": 2},
    {"kind": "truncated_download"},
    {"kind": "expired_link"},
    {"kind": "callback", "effect": "drop"},
    {"kind": "callback", "effect": "duplicate"},
)


def wishes(chance: Random, count: int, seconds: float) -> list[Wish]:
    """So many jobs over so much time, in the order in which they are asked for."""
    times = sorted(chance.uniform(0, seconds) for _ in range(count))
    return [_wish(chance, f"chaos-{number:04}", at) for number, at in enumerate(times, start=1)]


def _wish(chance: Random, job_id: str, at: float) -> Wish:
    [what] = chance.choices(list(_MIX), list(_MIX.values()))
    areas = what in ("with areas", "GhostCut fails")
    ends: tuple[Ending, ...] = ("completed",)
    faults: list[Fault] = []
    if what == "Sync.so fails":
        faults, ends = [("sync_so", {"kind": "ends"})], ("failed",)
    if what == "GhostCut fails":
        faults, ends = [("ghostcut", {"kind": "ends", "status": 20})], ("failed",)
    if what == "bad":
        ends = ("failed",)
    elif chance.random() < _TROUBLED:
        vendor = chance.choice(["sync_so", "ghostcut"] if areas else ["sync_so"])
        faults.append((vendor, chance.choice(_SYNC_SO_TROUBLES if vendor == "sync_so" else _GHOSTCUT_TROUBLES)))
    return Wish(job_id, at, what, areas, bad=what == "bad", faults=faults, ends=ends)
