"""The figures of a run as tables for people, and as JSON."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from .goals import KILOBYTE, MEGABYTE, goals, ratio_of_zoom
from .overviews import Cost
from .tiles import ZOOMS
from .times import PLAIN, WITH, WITHOUT, Figures

WAYS = (PLAIN, WITHOUT, WITH)


@dataclass
class Results:
    """All that one run measured."""

    command: str
    server: str = ""
    date: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="minutes"))
    rows: dict[str, int] = field(default_factory=dict)
    figures: list[Figures] = field(default_factory=list)
    costs: list[Cost] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "date": self.date,
            "command": self.command,
            "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
            "server": self.server,
            "rows": self.rows,
            "tiles": [
                {**asdict(each), "answers": {way: asdict(answer) for way, answer in each.answers.items()}}
                for each in self.figures
            ],
            "overviews": [asdict(cost) for cost in self.costs],
            "goals": [asdict(goal) for goal in goals(self.figures, self.costs)],
        }


def show(results: Results, console: Console) -> None:
    """Print everything."""
    console.print(f"{results.command}\n{results.date}, {results.server}")
    for layer in dict.fromkeys(each.tile.layer_id for each in results.figures):
        console.print(_layer(layer, results))
    if results.costs:
        console.print(_costs(results.costs))
    _show_slower(results.figures, console)
    table = Table(title="Goals", title_justify="left")
    for heading in ("", "measured", ""):
        table.add_column(heading)
    for goal in goals(results.figures, results.costs):
        table.add_row(goal.what, goal.figure, "[green]met[/]" if goal.met else "[red]not met[/]")
    console.print(table)


def _layer(layer: str, results: Results) -> Table:
    rows = results.rows.get(layer.rpartition(".")[2], 0)
    table = Table(title=f"{layer}, {rows:,} rows: medians of a zoom's tiles", title_justify="left")
    ways = [way for way in WAYS if any(way in each.answers for each in results.figures)]
    short = [way.partition(" ")[0] for way in ways]
    headings = [f"{unit} {way}" for unit in ("ms", "kB", "features") for way in short] + [
        f"{way}: times" for way in short[1:]
    ]
    for heading in ("z", "tiles", *headings, "said"):
        table.add_column(heading, justify="right")
    for zoom in ZOOMS:
        here = [each for each in results.figures if each.tile.layer_id == layer and each.tile.z == zoom]
        if here:
            ratios = [ratio_of_zoom(here, layer, zoom, way) for way in ways[1:]]
            said = ", ".join(
                sorted({each.answers[ways[-1]].said or str(each.answers[ways[-1]].status) for each in here})
            )
            table.add_row(
                str(zoom),
                str(len(here)),
                *_medians(here, ways),
                *("" if ratio is None else f"{ratio:.1f}" for ratio in ratios),
                said,
            )
    return table


def _medians(here: Sequence[Figures], ways: Sequence[str]) -> list[str]:
    milliseconds = [statistics.median(each.answers[way].ms for each in here) for way in ways]
    kilobytes = [statistics.median(each.answers[way].sent_bytes / KILOBYTE for each in here) for way in ways]
    features = [statistics.median(each.answers[way].features for each in here) for way in ways]
    return [
        *(f"{each:,.1f}" for each in milliseconds),
        *(f"{each:,.1f}" for each in kilobytes),
        *(f"{each:,.0f}" for each in features),
    ]


def _costs(costs: Sequence[Cost]) -> Table:
    table = Table(title="Overviews: what they cost", title_justify="left")
    for heading in (
        "layer",
        "rows",
        "build s",
        "memory MB",
        "refresh s",
        "table MB",
        "bands MB",
        "pieces MB",
        "rows in pieces, MB",
    ):
        table.add_column(heading, justify="right")
    for cost in costs:
        memory = "" if cost.memory_bytes is None else f"{cost.memory_bytes / MEGABYTE:,.0f}"
        sizes = (cost.table_bytes, cost.bands_bytes, cost.pieces_bytes, cost.replaced_bytes)
        table.add_row(cost.layer, f"{cost.rows:,}", f"{cost.build_s:.1f}", memory, f"{cost.refresh_s:.1f}",
                      *(f"{size / MEGABYTE:,.1f}" for size in sizes))  # fmt: skip
    return table


def _show_slower(figures: Sequence[Figures], console: Console) -> None:
    for way in (WITH, WITHOUT):
        slower = [each for each in figures if way in each.answers and each.is_slower(way)]
        slower.sort(key=lambda each: each.answers[PLAIN].ms - each.answers[way].ms)
        for each in slower[:10]:
            ours, plain = each.answers[way], each.answers[PLAIN]
            console.print(
                f"  slower than plain: {each.tile.path}  {way} {ours.ms:.2f} ms ({ours.said}), plain {plain.ms:.2f} ms"
            )
        if len(slower) > 10:
            console.print(f"  … and {len(slower) - 10} more, {way}")
