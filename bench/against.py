"""This checkout beside an older revision of it: the same tiles over HTTP without a cache, from the same database, in turns."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from scripts.lib import CHECKOUT

from .drawing import DrawnTile
from .line import Line
from .revisions import exported
from .stand import Stand
from .turns import in_turns

THEN, NOW = "then", "now"
GOAL = 1.05
"""What counts as no slower: two servers with the same code differ by some hundredths."""


@dataclass(frozen=True)
class AgainstFigures:
    """One tile: the median of each server, in ms, and the size of now's answer, compressed."""

    path: str
    sent_bytes: int
    ms: dict[str, float]

    @property
    def ratio(self) -> float:
        return self.ms[NOW] / self.ms[THEN]


def median_ratio(found: list[AgainstFigures]) -> float:
    """Of now's time by that of then."""
    return statistics.median(figures.ratio for figures in found)


def measure(stand: Stand, revision: str, drawn: list[DrawnTile], rounds: int) -> Iterator[AgainstFigures]:
    """The figures of each tile that both answer with 200 or 204; the older one runs with the packages of now."""
    older = exported(revision, stand.directory())
    with ExitStack() as opened:
        lines = {
            name: opened.enter_context(Line(stand.gunicorn_of(checkout, stand.sample, CACHE_TYPE="NullCache").port))
            for name, checkout in ((THEN, older), (NOW, CHECKOUT))
        }
        for tile in drawn:
            answers = {name: line.get(tile.path) for name, line in lines.items()}
            if any(status not in (200, 204) for status, _ in answers.values()):
                raise RuntimeError(f"{tile.path}: {({name: status for name, (status, _) in answers.items()})}")
            calls = {name: lambda line=line: line.get(tile.path) for name, line in lines.items()}  # noqa: B023
            yield AgainstFigures(tile.path, len(answers[NOW][1]), in_turns(calls, rounds))
