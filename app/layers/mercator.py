"""Web Mercator to longitude and latitude without PROJ: nearly all tiles need it, and there PROJ takes longer than the database.

The formulas are those of EPSG's method 1024, Popular Visualisation Pseudo Mercator (IOGP Guidance Note 7-2, 3.5.1.3).
"""

from __future__ import annotations

import math

from .bounds import Bounds

GRID, LAYER = "EPSG:3857", "EPSG:4326"
"""The definitions between which this leads."""

_RADIUS_M = 6_378_137.0
_EDGE_M = math.pi * _RADIUS_M
_FARTHEST_M = 1e8
"""Where the latitude has long been 90° as far as numbers can say."""


def leads(source: str, target: str) -> bool:
    """Whether this is the way from one definition to the other."""
    return source == GRID and target == LAYER


def degrees(box: Bounds) -> Bounds | None:
    """A box in metres as longitude and latitude; None where it reaches across ±180 or beyond all latitudes."""
    if not (-_EDGE_M <= box.xmin <= box.xmax <= _EDGE_M and -_FARTHEST_M <= box.ymin <= box.ymax <= _FARTHEST_M):
        return None
    return Bounds(_longitude(box.xmin), latitude(box.ymin), _longitude(box.xmax), latitude(box.ymax))


def shortest(length: float, box: Bounds) -> float:
    """Degrees of a step of so many metres, along either axis and anywhere in the box: the fewest that it has.

    The steps begin at its lower edge, its middle, and where the last one ends at its upper edge.
    """
    along = math.degrees(length / _RADIUS_M)
    rows = (box.ymin, (box.ymin + box.ymax) / 2, box.ymax - length)
    return min(along, *[latitude(y + length) - latitude(y) for y in rows])


def latitude(y: float) -> float:
    """Degrees, of metres from the equator."""
    return math.degrees(math.atan(math.sinh(y / _RADIUS_M)))


def _longitude(x: float) -> float:
    return min(180.0, max(-180.0, math.degrees(x / _RADIUS_M)))
