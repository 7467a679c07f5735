"""What all tiles of a zoom show together, in parts of the world from its upper left corner."""

from __future__ import annotations

import math
from typing import Any

from flask import Flask
from shapely import affinity
from shapely.geometry import box
from shapely.ops import unary_union

from tests.tile_decoding import drawn, features

EDGE = 20037508.342789244
"""Where Web Mercator ends."""
RING = "POLYGON(({0} 0,{1} 0,{1} 10,{0} 10,{0} 0))"


def whole(app: Flask, zoom: int, layer: str = "far", grid: str = "", columns: int | None = None, rows: int | None = None) -> dict[int, Any]:
    """The shape of each feature id, without buffer."""
    wide, high = columns or 2**zoom, rows or 2**zoom
    found: dict[int, list[Any]] = {}
    for x in range(wide):
        for y in range(high):
            for feature in features(app, f"/tiles/{grid}{layer}/{zoom}/{x}/{y}?buffer=0"):
                found.setdefault(feature["id"], []).append(scaled(drawn(feature), x, y, wide, high))
    return {key: unary_union(parts) for key, parts in found.items()}


def scaled(shape: Any, x: int, y: int, wide: int, high: int) -> Any:
    """A shape in units of a tile, as a part of the world."""
    return affinity.affine_transform(shape, [1 / 4096 / wide, 0, 0, 1 / 4096 / high, x / wide, y / high])


def mercator_box(west: float, south: float, east: float, north: float) -> Any:
    """A box of longitudes and latitudes in Web Mercator."""
    def down(latitude: float) -> float:
        return (1 - math.asinh(math.tan(math.radians(latitude))) / math.pi) / 2

    return box((west + 180) / 360, down(north), (east + 180) / 360, down(south))


def assert_same(found: Any, expected: Any, zoom: int) -> None:
    """Apart by no more than two units along the outline."""
    slack = 2 / 4096 / 2**zoom
    assert found.difference(expected.buffer(slack)).area < 1e-12
    assert expected.difference(found.buffer(slack)).area < 1e-12


ACROSS = unary_union([mercator_box(170, 0, 180, 10), mercator_box(-180, 0, -170, 10)])
"""A ring from 170 to 190."""
