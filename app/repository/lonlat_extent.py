"""Boxes from the database as bounds in longitude and latitude, and who may read them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..layers.bounds import WORLD, Bounds
from ..layers.crs import Crs, lonlat
from ..layers.identity import Identity
from ..layers.relation import RelationLayer

_SLACK_DEGREES = 5.0
"""Statistics widen a box by about a percent. What lies further out than this are longitudes from 0 to 360."""


def lonlat_extent(edges: Sequence[float | None], crs: Crs | None) -> Bounds | None:
    """(xmin, ymin, xmax, ymax) in `crs` as bounds within the world; None where they are unknown or not finite.

    xmin > xmax where they cross ±180, as GeoJSON (RFC 7946 §5.2) has it.
    """
    known = [float(edge) for edge in edges if edge is not None]
    if crs is None or len(known) != 4 or not all(map(math.isfinite, known)):
        return None
    box = lonlat(Bounds(*known), crs)
    if box is None or box.ymin > WORLD.ymax or box.ymax < WORLD.ymin:
        return None
    south, north = max(box.ymin, WORLD.ymin), min(box.ymax, WORLD.ymax)
    if box.xmin < WORLD.xmin - _SLACK_DEGREES or box.xmax > WORLD.xmax + _SLACK_DEGREES:
        return Bounds(WORLD.xmin, south, WORLD.xmax, north)
    return Bounds(max(box.xmin, WORLD.xmin), south, min(box.xmax, WORLD.xmax), north)


def reader(layer: RelationLayer) -> Identity:
    """Somebody who may read the layer: the login, or else one of the roles that it may take."""
    readers = [role for role in sorted(layer.readers) if layer.readable_by(Identity(role))]
    return Identity(None if layer.login in readers or not readers else readers[0])
