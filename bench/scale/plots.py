"""Plots of a run: time and bytes by zoom, one figure for each layer, as PNG and SVG."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .goals import BUDGET_BYTES, KILOBYTE
from .report import WAYS, Results
from .times import PLAIN, WITH, WITHOUT, Figures

_COLOURS = {PLAIN: "#b2182b", WITHOUT: "#e08214", WITH: "#2166ac"}
_MARKS = {PLAIN: "o", WITHOUT: "s", WITH: "D"}
_INCHES, _DOTS_PER_INCH = (8.0, 3.2), 110
_SETTINGS: Any = {
    "svg.fonttype": "none",  # text as text: small files, and searchable
    "svg.hashsalt": "flagstone",  # the same figures give the same file
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(results: Results, folder: Path) -> list[Path]:
    """A PNG and an SVG of each layer; gives the files."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for layer in dict.fromkeys(each.tile.layer_id for each in results.figures):
        name = layer.rpartition(".")[2]
        here = [each for each in results.figures if each.tile.layer_id == layer]
        with mpl.rc_context(_SETTINGS):
            figure = _figure(f"{name}: {results.rows.get(name, 0):,} rows", here)
            for kind in ("png", "svg"):
                path = folder / f"overviews-{name}.{kind}"
                figure.savefig(
                    path, dpi=_DOTS_PER_INCH, metadata={"Date": None} if kind == "svg" else {"Software": None}
                )
                made.append(path)
    return made


def _figure(title: str, figures: Sequence[Figures]) -> Figure:
    figure = Figure(figsize=_INCHES, layout="constrained")
    times, sizes = figure.subplots(1, 2)
    figure.suptitle(title, fontsize=10)
    for axes, heading in (
        (times, "milliseconds of a tile, median"),
        (sizes, "kilobytes of a tile, compressed, median"),
    ):
        axes.set_title(heading, fontsize=9, loc="left")
        axes.set_xlabel("zoom")
        axes.set_yscale("log")
        axes.grid(visible=True, axis="y", alpha=0.3, linewidth=0.5)
    for way in WAYS:
        _line(times, figures, way, "ms", 1)
        _line(sizes, figures, way, "sent_bytes", KILOBYTE)
    sizes.axhline(BUDGET_BYTES / KILOBYTE, color="0.4", linewidth=0.8, linestyle=":")
    sizes.annotate(
        "budget",
        (0, BUDGET_BYTES / KILOBYTE),
        xytext=(0, 2),
        textcoords="offset points",
        fontsize=8,
        color="0.3",
    )
    times.legend(frameon=False, fontsize=8)
    return figure


def _line(axes: Axes, figures: Sequence[Figures], way: str, what: str, unit: float) -> None:
    """The medians, and a pale band from the least to the most of a zoom's tiles. A tile that did not come is not drawn."""
    by_zoom: dict[int, list[float]] = {}
    for each in figures:
        answer = each.answers.get(way)
        if answer is not None and answer.is_tile and getattr(answer, what):
            by_zoom.setdefault(each.tile.z, []).append(getattr(answer, what) / unit)
    if by_zoom:
        zooms, values = list(by_zoom), list(by_zoom.values())
        axes.plot(zooms, [statistics.median(value) for value in values], marker=_MARKS[way], markersize=3.5, linewidth=1.2,
                  color=_COLOURS[way], label=way)  # fmt: skip
        axes.fill_between(zooms, [min(value) for value in values], [max(value) for value in values],
                          color=_COLOURS[way], alpha=0.12, linewidth=0)  # fmt: skip
