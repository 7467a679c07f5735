"""A run as a page for docs/: every number in it comes from the run itself."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterable, Sequence

from .goals import KILOBYTE, MEGABYTE, goals, ratio_of_zoom
from .report import WAYS, Results
from .tiles import ZOOMS
from .times import PLAIN, Figures


def page(results: Results, plots: Iterable[str], maps: Iterable[str]) -> str:
    """Markdown with the goals, the costs, a table for each layer and the pictures, named relative to the page."""
    load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
    parts = [
        "# A run of the benchmark of overviews",
        f"`{results.command}`, {results.date}; {results.server}; {os.cpu_count()} cores, load {load} at its end. Written by the"
        " benchmark; [how it measures](../overviews-benchmark.md).",
        "## Goals",
        _table(("", "measured", ""), [(goal.what, goal.figure, "met" if goal.met else "not met") for goal in goals(results.figures, results.costs)]),
    ]  # fmt: skip
    if results.costs:
        parts += ["## What overviews cost", _costs(results)]
    for layer in dict.fromkeys(each.tile.layer_id for each in results.figures):
        name = layer.rpartition(".")[2]
        here = [each for each in results.figures if each.tile.layer_id == layer]
        parts.append(f"## {name}, {results.rows.get(name, 0):,} rows")
        parts += [f"![{path}]({path})" for path in plots if path.endswith(f"-{name}.png")]
        parts.append(_zooms(layer, here))
        parts += [f"![{path}]({path})" for path in maps if path.startswith(f"map-{name}-")]
    return "\n\n".join(parts) + "\n"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---" if number == 0 else "---:" for number in range(len(headings))], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _costs(results: Results) -> str:
    rows = []
    for cost in results.costs:
        memory = "" if cost.memory_bytes is None else f"{cost.memory_bytes / MEGABYTE:,.0f}"
        refresh = f"{cost.refresh_s:.1f}"
        sizes = (cost.table_bytes, cost.bands_bytes, cost.pieces_bytes, cost.replaced_bytes)
        rows.append(
            (
                cost.layer,
                f"{cost.build_s:.0f}",
                memory,
                refresh,
                *(f"{size / MEGABYTE:,.0f}" for size in sizes),
            )
        )
    return _table(
        (
            "",
            "build, s",
            "memory, MB",
            "refresh, s",
            "table, MB",
            "bands, MB",
            "pieces, MB",
            "rows in pieces, MB",
        ),
        rows,
    )


def _zooms(layer: str, here: Sequence[Figures]) -> str:
    """Medians of a zoom's tiles; times faster is the geometric mean."""
    ways = [way for way in WAYS if way in here[0].answers]
    rows = []
    for zoom in ZOOMS:
        tiles = [each for each in here if each.tile.z == zoom]
        if tiles:
            milliseconds = [
                f"{statistics.median(each.answers[way].ms for each in tiles):,.1f}" for way in ways
            ]
            kilobytes = [
                f"{statistics.median(each.answers[way].sent_bytes for each in tiles) / KILOBYTE:,.1f}"
                for way in ways
            ]
            faster = [ratio_of_zoom(tiles, layer, zoom, way) for way in ways if way != PLAIN]
            rows.append(
                (
                    str(zoom),
                    *milliseconds,
                    *kilobytes,
                    *("" if ratio is None else f"{ratio:.1f}" for ratio in faster),
                )
            )
    headings = [
        "zoom",
        *(f"{way}, ms" for way in ways),
        *(f"{way}, kB" for way in ways),
        *(f"{way}, times faster" for way in ways[1:]),
    ]
    return _table(headings, rows)
