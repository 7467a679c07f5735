"""Draws tiles: the same ones for the same seed, over all layers and zooms, most of them where the rows are."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

ZOOMS = range(17)
_ELSEWHERE = 0.15
"""Part of the tiles that are drawn from the layer's whole extent: at high zooms most of these are empty."""
_MERCATOR_LATITUDE = 85.05


@dataclass(frozen=True, slots=True)
class Place:
    """Where a layer's rows are: points on some of them, in longitude and latitude."""

    layer_id: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class DrawnTile:
    """A tile of WebMercatorQuad and the layer to read it from."""

    layer_id: str
    z: int
    x: int
    y: int

    @property
    def path(self) -> str:
        return f"/tiles/{self.layer_id}/{self.z}/{self.x}/{self.y}"


def draw(places: Sequence[Place], count: int, seed: int) -> list[DrawnTile]:
    """`count` different tiles as far as there are so many. Layers and zooms take turns."""
    # `Random` with a string is the same on every machine and in every version of Python 3.
    source = random.Random(f"flagstone {seed}")
    drawn: dict[DrawnTile, None] = {}
    for turn in range(count * 3):
        if len(drawn) == count:
            break
        place = places[turn % len(places)]
        # The zoom moves on by one each turn and once more each round, so that no layer keeps to some of the zooms.
        zoom = ZOOMS[(turn + turn // (len(places) * len(ZOOMS))) % len(ZOOMS)]
        drawn[_tile(place, zoom, source)] = None
    return list(drawn)


def _tile(place: Place, zoom: int, source: random.Random) -> DrawnTile:
    longitude, latitude = source.choice(place.points)
    if source.random() < _ELSEWHERE:
        longitude, latitude = (source.uniform(min(axis), max(axis)) for axis in zip(*place.points, strict=True))
    x, y = tile_at(longitude, latitude, zoom)
    return DrawnTile(place.layer_id, zoom, x, y)


def tile_at(longitude: float, latitude: float, zoom: int) -> tuple[int, int]:
    """Column and row of the tile of WebMercatorQuad that holds a point (OGC 17-083r4 Annex D.1)."""
    latitude = math.radians(min(max(latitude, -_MERCATOR_LATITUDE), _MERCATOR_LATITUDE))
    across = (longitude + 180) / 360
    down = (1 - math.asinh(math.tan(latitude)) / math.pi) / 2
    edge = 2**zoom
    return min(max(int(across * edge), 0), edge - 1), min(max(int(down * edge), 0), edge - 1)
