"""Tiles with parameters against the same tiles without: what a parameter costs that changes nothing, and what one saves."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from .drawing import tile_at
from .line import Line
from .stand import Stand
from .turns import in_turns

PLAIN = "no parameter"
_MORE_ROUNDS = 3
"""Times the rounds of other tiles, as of composites."""
GOAL = 1.1
"""Times of the plain tile that a parameter may take which says what holds without it."""
_VADUZ, _WORLD = (9.521, 47.141), (8.0, 46.0)
_TILES = [(f"sample.liechtenstein_{name}", _VADUZ, zoom) for name in ("buildings", "roads", "landuse") for zoom in (10, 12, 14)] + [
    ("sample.cities", _WORLD, zoom) for zoom in (2, 4, 6)
]
"""Layers, a point of the tile in longitude and latitude, and its zoom."""
SAME = {
    "limit": "limit=10000", "resolution and buffer": "resolution=4096&buffer=256", "clip and simplify": "clip=true&simplify=true",
    "a name of nobody's": "utm_source=map",
}  # fmt: skip
"""What says only what holds without it."""
OTHERS = {
    "columns": "columns=", "sortby": "sortby=-id", "filter that all fulfil": f"filter={quote('id > -1')}", "filter that few fulfil": f"filter={quote('id < 100')}",
    "ids": "ids=1,2,3", "bbox around all": "bbox=-180,-85,180,85", "simplify=false": "simplify=false",
}  # fmt: skip
"""What chooses, orders or draws otherwise."""


@dataclass(frozen=True)
class ParameterFigures:
    """One tile: the median with each parameter, and without, over HTTP without a cache, in ms."""

    path: str
    ms: dict[str, float]

    def ratio(self, name: str) -> float:
        return self.ms[name] / self.ms[PLAIN]


def count() -> int:
    """How many tiles are measured."""
    return len(_TILES)


def measure(stand: Stand, rounds: int) -> Iterator[ParameterFigures]:
    """Each tile's figures, all ways of one tile in turns within one run."""
    server = stand.gunicorn(stand.sample, CACHE_TYPE="NullCache", WEB_CONCURRENCY="1")
    with Line(server.port) as line:
        for layer, (longitude, latitude), zoom in _TILES:
            x, y = tile_at(longitude, latitude, zoom)
            path = f"/tiles/{layer}/{zoom}/{x}/{y}"
            ways = {PLAIN: path, **{name: f"{path}?{query}" for name, query in {**SAME, **OTHERS}.items()}}
            whole = line.get(path)
            if any(line.get(ways[name])[1] != whole[1] for name in SAME):
                raise RuntimeError(f"{path}: a parameter that says what holds without it changes the tile")
            yield ParameterFigures(path, in_turns({name: _asking(line, way) for name, way in ways.items()}, rounds * _MORE_ROUNDS))


def median_ratio(found: list[ParameterFigures], name: str) -> float:
    """The middle one of the tiles' ratios to the plain tile."""
    return statistics.median(figures.ratio(name) for figures in found)


def _asking(line: Line, path: str) -> Callable[[], object]:
    def ask() -> object:
        status, body = line.get(path)
        if status not in (200, 204):
            raise RuntimeError(f"{path} answered {status}")
        return body

    return ask
