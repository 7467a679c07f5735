"""Composites of four layers against the same four one by one: what is gained by making them side by side."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .drawing import tile_at
from .line import Line
from .stand import Stand
from .turns import in_turns

GOAL = 1.3
_VADUZ, _WORLD = (9.521, 47.141), (8.0, 46.0)
_TOWN = ("sample.liechtenstein_buildings", "sample.liechtenstein_roads", "sample.liechtenstein_landuse", "sample.liechtenstein_pois")
_MAP = ("sample.countries", "sample.cities", "sample.capitals", "sample.liechtenstein_landuse")
_TILES = [(_MAP, _WORLD, zoom) for zoom in range(6)] + [(_TOWN, _VADUZ, zoom) for zoom in range(8, 16)]
"""Layers, a point of the tile in longitude and latitude, and its zoom."""
_COMPOSITE = "composite"
_MORE_ROUNDS = 3
"""Times the rounds of other tiles: there are few, and a ratio of two medians varies more than either."""


@dataclass(frozen=True)
class CompositeFigures:
    """One tile: the median of each layer alone and of the four together, over HTTP without a cache, in ms."""

    path: str
    alone_ms: dict[str, float]
    together_ms: float
    cores: int

    @property
    def bound_ms(self) -> float:
        """The least that could be expected: the slowest layer, or the work of all divided by the cores."""
        return max(*self.alone_ms.values(), sum(self.alone_ms.values()) / self.cores)

    @property
    def ratio(self) -> float:
        return self.together_ms / self.bound_ms


def count() -> int:
    """How many tiles are measured."""
    return len(_TILES)


def measure(stand: Stand, rounds: int) -> Iterator[CompositeFigures]:
    """Each tile's figures, all ways of one tile in turns within one run."""
    server = stand.gunicorn(stand.sample, CACHE_TYPE="NullCache", WEB_CONCURRENCY="1")
    with Line(server.port) as line:
        for layers, (longitude, latitude), zoom in _TILES:
            x, y = tile_at(longitude, latitude, zoom)
            place = f"{zoom}/{x}/{y}"
            names = {layer: f"/tiles/{layer}/{place}" for layer in layers}
            names[_COMPOSITE] = f"/tiles/{','.join(layers)}/{place}"
            times = in_turns({name: _asking(line, path) for name, path in names.items()}, rounds * _MORE_ROUNDS)
            together = times.pop(_COMPOSITE)
            yield CompositeFigures(names[_COMPOSITE], times, together, os.cpu_count() or 1)


def median_ratio(found: list[CompositeFigures]) -> float:
    """The middle one of the ratios to the bound."""
    return statistics.median(figures.ratio for figures in found)


def _asking(line: Line, path: str) -> Callable[[], object]:
    def ask() -> object:
        status, body = line.get(path)
        if status not in (200, 204):
            raise RuntimeError(f"{path} answered {status}")
        return body

    return ask
