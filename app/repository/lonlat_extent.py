"""Boxes from the database as bounds in longitude and latitude."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..layers.bounds import WORLD, Bounds
from ..layers.crs import Crs, lonlat

_SLACK_DEGREES = 5.0
"""Statistics widen a box by about a percent. What lies further out than this are longitudes from 0 to 360."""


def lonlat_extent(edges: Sequence[float | None], crs: Crs) -> Bounds | None:
    """(xmin, ymin, xmax, ymax) in `crs` as bounds within the world; None where they are unknown or not finite.

    xmin > xmax where they cross ±180, as GeoJSON (RFC 7946 §5.2) has it.
    """
    known = [float(edge) for edge in edges if edge is not None]
    if len(known) != 4 or not all(map(math.isfinite, known)):
        return None
    box = lonlat(Bounds(*known), crs)
    if box is None or box.ymin > WORLD.ymax or box.ymax < WORLD.ymin:
        return None
    south, north = max(box.ymin, WORLD.ymin), min(box.ymax, WORLD.ymax)
    if box.xmin < WORLD.xmin - _SLACK_DEGREES or box.xmax > WORLD.xmax + _SLACK_DEGREES:
        return Bounds(WORLD.xmin, south, WORLD.xmax, north)
    return Bounds(max(box.xmin, WORLD.xmin), south, min(box.xmax, WORLD.xmax), north)
