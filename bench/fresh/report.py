"""The figures of a run as tables for people, and as JSON."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from ..report import Goal


@dataclass
class Part:
    """What one part measured: lines for people, goals, and every figure for programs."""

    title: str
    lines: list[tuple[str, str]] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    """Whole texts, of what must not be: they are printed as they are."""


@dataclass
class Results:
    """All that one run measured."""

    command: str
    parts: dict[str, Part] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    date: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="minutes"))
    load_before: tuple[float, float, float] = field(default_factory=os.getloadavg)

    @property
    def goals(self) -> list[Goal]:
        return [goal for part in self.parts.values() for goal in part.goals]

    @property
    def is_wrong(self) -> bool:
        """Whether an answer was seen that must not be."""
        return any(part.found for part in self.parts.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "date": self.date,
            "command": self.command,
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} processors, Python {platform.python_version()}",
            "load": {"before": self.load_before, "after": os.getloadavg()},
            "parts": {name: {"title": part.title, "figures": part.figures, "found": part.found} for name, part in self.parts.items()},
            "goals": [asdict(goal) for goal in self.goals],
            "left_out": self.left_out,
        }  # fmt: skip


def show(results: Results, console: Console) -> None:
    """Print everything."""
    load = ", ".join(f"{before:.1f}" for before in results.load_before)
    console.print(
        f"{results.command}\n{results.date}; {os.cpu_count()} processors, load before {load}, after {os.getloadavg()[0]:.1f}"
    )
    for part in results.parts.values():
        table = Table(title=part.title, title_justify="left", show_header=False)
        table.add_column("")
        table.add_column("", justify="right")
        for line in part.lines:
            table.add_row(*line)
        console.print(table)
        for text in part.found:
            console.print(text, markup=False)
    table = Table(title="Goals", title_justify="left")
    for heading in ("", "measured", ""):
        table.add_column(heading)
    for goal in results.goals:
        table.add_row(goal.what, goal.figure, "[green]met[/]" if goal.met else "[red]not met[/]")
    console.print(table)
    for sentence in results.left_out:
        console.print(f"Left out: {sentence}")
