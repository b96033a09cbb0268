"""Which recovery points follow which. The table itself is in `progress.py`."""

from typing import Final

from videojobs.progress import POINT_SPECS
from videojobs.states import RecoveryPoint

_PARALLEL_POINTS: Final = (RecoveryPoint.TRANSCRIBED, RecoveryPoint.SLIDES_FOUND)


def _reachable_from(start: RecoveryPoint) -> frozenset[RecoveryPoint]:
    """`start` and every point that can follow it."""
    return frozenset({start}).union(*(_reachable_from(point) for point in POINT_SPECS[start].next_points))


_REACHABLE: Final = {point: _reachable_from(point) for point in RecoveryPoint}


def has_reached(current: RecoveryPoint, target: RecoveryPoint) -> bool:
    """Whether a job at `current` is at `target` or beyond."""
    return current in _REACHABLE[target]


def resolve_arrival(current: RecoveryPoint, target: RecoveryPoint) -> RecoveryPoint:
    """Where a job at `current` arrives on reaching `target`: the second of two parallel steps ends both."""
    return RecoveryPoint.ANALYZED if current is not target and {current, target} == set(_PARALLEL_POINTS) else target


def can_transition(current: RecoveryPoint, target: RecoveryPoint) -> bool:
    """Whether the transition is allowed."""
    return target in POINT_SPECS[current].next_points
