"""Statistics for the page: medians, percentiles, tables, and whether a target is met."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` (0 to 1) of all do not exceed; NaN without values."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def median(values: Sequence[float]) -> float:
    """NaN without values."""
    return statistics.median(values) if values else math.nan


def format_number(value: float | str, digits: int = 2) -> str:
    """A number with this many digits after the point; a dash if there is none."""
    if isinstance(value, str):
        return value
    return "–" if math.isnan(value) else f"{value:,.{digits}f}"


@dataclass(frozen=True, slots=True)
class Target:
    """A target, its measured value, and whether it is met; None if it was not measured."""

    promise: str
    measured: str
    met: bool | None


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under column names; the first column names the row."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Series:
    """One line or group of bars of the plot."""

    name: str
    points: Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Section:
    """The results of one part of the benchmarks."""

    letter: str
    title: str
    how: str
    table: Table
    unit: str
    series: Sequence[Series]
    notes: Sequence[str] = ()
    targets: Sequence[Target] = field(default=())
    logarithmic: bool = False
