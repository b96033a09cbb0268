"""The plot beside the page: one panel for each part."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tests.benchmarks.stats import Section


def write_plot(file: Path, sections: Sequence[Section]) -> None:
    """An SVG without a date, so that equal results give equal files."""
    mpl.rcParams["svg.hashsalt"] = "bench"
    figure = Figure(figsize=(4.2 * len(sections), 3.6), layout="constrained")
    panels = figure.subplots(1, len(sections), squeeze=False)[0]
    for panel, section in zip(panels, sections, strict=True):
        _draw_panel(panel, section)
    figure.savefig(file, metadata={"Date": None})


def _draw_panel(panel: Axes, section: Section) -> None:
    """Grouped bars: one group for each point's name."""
    names = list(dict.fromkeys(name for series in section.series for name, _ in series.points))
    width = 0.8 / len(section.series)
    for index, series in enumerate(section.series):
        values = dict(series.points)
        places = [place + (index - (len(section.series) - 1) / 2) * width for place in range(len(names))]
        bars = panel.bar(places, [values.get(name, 0) for name in names], width, label=series.name)
        panel.bar_label(bars, fmt="{:.3g}", fontsize=6)
    panel.set_title(f"{section.letter}. {section.title.partition(':')[0]}", fontsize=9)
    panel.set_ylabel(section.unit, fontsize=8)
    panel.set_xticks(range(len(names)), names, fontsize=7)
    if section.logarithmic:
        panel.set_yscale("log")
    if len(section.series) > 1:
        panel.legend(fontsize=6)
