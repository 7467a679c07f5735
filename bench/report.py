"""The figures as tables for people, each goal beside its figure, and as JSON."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from . import against, composites, parameters, throughput, tile_times
from .against import NOW, THEN, AgainstFigures
from .composites import CompositeFigures
from .memory import MEGABYTE, WorkerMemory
from .parameters import ParameterFigures
from .throughput import Throughput
from .tile_times import HTTP, OURS, PLAIN, TileFigures
from .turns import percentile


@dataclass(frozen=True)
class Goal:
    """What is to be reached, what was measured, and whether that is enough."""

    what: str
    figure: str
    met: bool


@dataclass
class Results:
    """All that one run measured. What was not asked for is None or empty."""

    command: str
    tiles: list[TileFigures] = field(default_factory=list)
    against: list[AgainstFigures] = field(default_factory=list)
    parameters: list[ParameterFigures] = field(default_factory=list)
    composites: list[CompositeFigures] = field(default_factory=list)
    throughput: Throughput | None = None
    memory: list[WorkerMemory] = field(default_factory=list)
    start_tables: int = 0
    starts: list[float] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def compared(self) -> list[TileFigures]:
        """The tiles of which the plain statement gives all."""
        return [figures for figures in self.tiles if figures.plain_is_whole]

    @property
    def poorer(self) -> list[TileFigures]:
        """The tiles of which it leaves out more than a twentieth."""
        return [figures for figures in self.tiles if not figures.plain_is_whole]

    def as_json(self) -> dict[str, Any]:
        return {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": self.command,
            "machine": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
            "tiles": [{**asdict(figures), "light": figures.is_light, "compared": figures.plain_is_whole} for figures in self.tiles],
            "against": [asdict(figures) for figures in self.against],
            "parameters": [asdict(figures) for figures in self.parameters],
            "composites": [{**asdict(figures), "bound_ms": figures.bound_ms, "ratio": figures.ratio} for figures in self.composites],
            "throughput": {name: [asdict(run) for run in runs] for name, runs in self.throughput.rounds.items()} if self.throughput else {},
            "memory_bytes": [asdict(found) for found in self.memory],
            "start_seconds": {"tables": self.start_tables, "runs": self.starts},
            "goals": [asdict(goal) for goal in goals(self)],
            "left_out": self.left_out,
        }


def show(results: Results, console: Console) -> None:
    """Print everything."""
    if results.tiles:
        for title, chosen in _classes(results):
            if chosen:
                console.print(_tiles(title, chosen))
        _show_slower(results, console)
    if results.against:
        console.print(_against(results.against))
    if results.parameters:
        console.print(_parameters(results.parameters))
    if results.composites:
        console.print(_composites(results.composites))
    if results.throughput:
        console.print(_throughput(results.throughput))
    if results.memory or results.starts:
        console.print(_process(results))
    found = goals(results)
    if found:
        console.print(_goals(found))
    for sentence in results.left_out:
        console.print(f"Left out: {sentence}")


def _classes(results: Results) -> list[tuple[str, list[TileFigures]]]:
    light = [figures for figures in results.compared if figures.is_light]
    return [
        (f"Light tiles (zoom {tile_times.LIGHT_ZOOM} and deeper, under {tile_times.LIGHT_BYTES // 1000} kB)", light),
        ("All tiles", results.compared),
        ("Tiles of which the plain statement leaves out more than a twentieth", results.poorer),
    ]


def _tiles(title: str, chosen: Sequence[TileFigures]) -> Table:
    size = statistics.median(figures.raw_bytes for figures in chosen)
    sent = statistics.median(figures.sent_bytes for figures in chosen)
    table = Table(title=f"{title}: {len(chosen)} tiles, median {size:,.0f} bytes, {sent:,.0f} compressed", title_justify="left")
    table.add_column("")
    for heading in ("median ms", "p95 ms", "over plain, median ms", "times plain, median"):
        table.add_column(heading, justify="right")
    for name in chosen[0].ms:
        times = [figures.ms[name] for figures in chosen]
        more = statistics.median(figures.ms[name] - figures.ms[PLAIN] for figures in chosen)
        ratio = statistics.median(figures.ms[name] / figures.ms[PLAIN] for figures in chosen)
        table.add_row(name, f"{statistics.median(times):.2f}", f"{percentile(times, 0.95):.2f}", f"{more:+.2f}", f"{ratio:.2f}")
    return table


def _show_slower(results: Results, console: Console) -> None:
    for name in (OURS, HTTP):
        slower = [figures for figures in results.compared if figures.is_slower(name)]
        slower.sort(key=lambda figures: figures.ms[PLAIN] - figures.ms[name])
        for figures in slower[:20]:
            console.print(f"  slower than plain: {figures.tile.path}  {name} {figures.ms[name]:.2f} ms, plain {figures.ms[PLAIN]:.2f} ms")
        if len(slower) > 20:
            console.print(f"  … and {len(slower) - 20} more")
    if results.poorer:
        many = sum(figures.is_slower(OURS) for figures in results.poorer)
        more = max(figures.ms[OURS] - figures.ms[PLAIN] for figures in results.poorer)
        console.print(f"Plain leaves out more than a twentieth of {len(results.poorer)} tiles, which are not compared. Flagstone's statement, with all"
                      f" of their rows, is slower for {many} of them, by {more:.2f} ms at most.")  # fmt: skip


def _against(found: Sequence[AgainstFigures]) -> Table:
    table = Table(title=f"{len(found)} tiles over HTTP, no cache, beside an older revision", title_justify="left")
    for heading in ("", "then, median ms", "now, median ms", "now by then, median", "lowest and highest"):
        table.add_column(heading, justify="right" if heading else "left")
    light = [figures for figures in found if figures.sent_bytes < tile_times.LIGHT_BYTES]
    for name, chosen in ((f"tiles under {tile_times.LIGHT_BYTES // 1000} kB compressed", light), ("all tiles", found)):
        if chosen:
            then, now = (statistics.median(figures.ms[way] for figures in chosen) for way in (THEN, NOW))
            ratios = sorted(figures.ratio for figures in chosen)
            table.add_row(name, f"{then:.2f}", f"{now:.2f}", f"{statistics.median(ratios):.2f}", f"{ratios[0]:.2f} {ratios[-1]:.2f}")
    return table


def _parameters(found: Sequence[ParameterFigures]) -> Table:
    table = Table(title=f"{len(found)} tiles with parameters over HTTP, no cache", title_justify="left")
    table.add_column("")
    for heading in ("median ms", "times no parameter, median", "lowest and highest"):
        table.add_column(heading, justify="right")
    for name in found[0].ms:
        ratios = [figures.ratio(name) for figures in found]
        middle = statistics.median(figures.ms[name] for figures in found)
        table.add_row(name, f"{middle:.2f}", f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f} {max(ratios):.2f}")
    return table


def _composites(found: Sequence[CompositeFigures]) -> Table:
    table = Table(title="Composites of four layers over HTTP, no cache, median ms", title_justify="left")
    table.add_column("")
    for heading in ("together", "slowest alone", "sum alone", "times the bound"):
        table.add_column(heading, justify="right")
    for figures in found:
        alone = figures.alone_ms.values()
        path = f"{len(alone)} layers {figures.path.rpartition('sample.')[2].partition('/')[2]}"
        table.add_row(path, f"{figures.together_ms:.2f}", f"{max(alone):.2f}", f"{sum(alone):.2f}", f"{figures.ratio:.2f}")
    return table


def _throughput(found: Throughput) -> Table:
    rounds = len(found.rounds[throughput.EMPTY_VIEW])
    title = f"Requests per second, {throughput.CONNECTIONS} connections, medians of {rounds} rounds; {found.repeated} uneven runs repeated"
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for heading in ("requests/s", "of the empty view", "lowest and highest", "CPU µs a request", "empty view's CPU by it"):
        table.add_column(heading, justify="right")
    for name in found.rounds:
        ratios = found.ratios(name)
        table.add_row(
            name, f"{found.per_second(name):,.0f}", f"{found.ratio(name):.2f}", f"{ratios[0]:.2f} {ratios[-1]:.2f}",
            f"{found.cpu_us(name):.0f}", f"{found.cpu_ratio(name):.2f}",
        )  # fmt: skip
    return table


def _process(results: Results) -> Table:
    table = Table(title="Memory and start of a worker", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    for found in results.memory:
        table.add_row(f"resident at its start, {found.tables:,} tables", f"{found.at_start / MEGABYTE:.0f} MB")
        table.add_row(f"resident after {found.tiles:,} tiles", f"{found.after / MEGABYTE:.0f} MB")
    if results.starts:
        runs = ", ".join(f"{took:.2f}" for took in results.starts)
        table.add_row(f"start to the first tile, {results.start_tables:,} tables", f"{runs} s")
    return table


def goals(results: Results) -> list[Goal]:
    """The goals of what was measured."""
    found: list[Goal] = []
    light = [figures for figures in results.compared if figures.is_light]
    if light:
        more = statistics.median(figures.ms[HTTP] - figures.ms[PLAIN] for figures in light)
        found.append(Goal("light tile over HTTP within 1.0 ms of the plain statement, median", f"{more:+.2f} ms", more <= 1.0))
    if results.compared:
        for name, what in ((OURS, "by the statement"), (HTTP, "over HTTP")):
            slower = sum(figures.is_slower(name) for figures in results.compared)
            figure = f"{slower} of {len(results.compared)} tiles slower"
            found.append(Goal(f"no tile slower than plain by more than a tenth and 1 ms, {what}", figure, slower == 0))
    if results.against:
        ratio = against.median_ratio(results.against)
        found.append(Goal(f"a tile within {against.GOAL} times that of the older revision, median", f"{ratio:.2f}", ratio <= against.GOAL))
    if results.parameters:
        most = max(parameters.median_ratio(results.parameters, name) for name in parameters.SAME)
        what = f"a parameter that changes nothing within {parameters.GOAL} times the tile without, median"
        found.append(Goal(what, f"{most:.2f} at most", most <= parameters.GOAL))
    if results.composites:
        ratio = composites.median_ratio(results.composites)
        what = f"a composite of four within {composites.GOAL} times the larger of its slowest layer and their sum by the cores, median"
        found.append(Goal(what, f"{ratio:.2f}", ratio <= composites.GOAL))
    if results.throughput:
        for name, least in ((throughput.MEMORY, 0.8), (throughput.EMPTY_TILE, 0.8), (throughput.NGINX, 9.0)):
            if name in results.throughput.rounds:
                ratio = results.throughput.ratio(name)
                found.append(Goal(f"{name}: at least {least} of an empty Flask view's requests", f"{ratio:.2f}", ratio >= least))
    for memory in results.memory:
        most = 120 if memory.tables < 1000 else 150
        what = f"worker under {most} MB after {memory.tiles:,} tiles of {memory.tables:,} tables"
        found.append(Goal(what, f"{memory.after / MEGABYTE:.0f} MB", memory.after < most * MEGABYTE))
    if results.starts:
        took = statistics.median(results.starts)
        found.append(Goal(f"a tile 1.5 s after the start, {results.start_tables:,} tables, median", f"{took:.2f} s", took < 1.5))
    return found


def _goals(found: Sequence[Goal]) -> Table:
    table = Table(title="Goals", title_justify="left")
    for heading in ("", "measured", ""):
        table.add_column(heading)
    for goal in found:
        table.add_row(goal.what, goal.figure, "[green]met[/]" if goal.met else "[red]not met[/]")
    return table
