"""Bounds and centre of layers as documents state them: longitude and latitude, west never east of east."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import reduce

from ..layers.bounds import WORLD, Bounds
from ..layers.grid import Grid

_POINT_PAD = 0.001
"""Degrees (about 100 m) around a layer that is a single point or a line along an axis: clients divide by the size."""
_METRES_PER_DEGREE = 111_320.0


def grid_bounds(grid: Grid) -> Bounds:
    """The grid's extent in longitude and latitude; across ±180 it becomes the whole circle."""
    extent = grid.lonlat_extent
    return WORLD if extent is None else _ordered(extent).clamped(WORLD)


def stated(found: Bounds | None, grid: Grid) -> Bounds:
    """What a document says of a layer whose extent is `found`: within the grid, which it is where nothing is known.

    TileJSON 3.0.0 §3.4 knows no box across ±180, so such a layer gets the whole circle.
    """
    limits = grid_bounds(grid)
    if found is None or not all(map(math.isfinite, found.as_list())):
        return limits
    box = _ordered(found)
    box = box.padded(0.0 if box.width > 0 else _POINT_PAD, 0.0 if box.height > 0 else _POINT_PAD)
    return box.clamped(limits) if box.intersects(limits) else limits


def union(boxes: Iterable[Bounds]) -> Bounds:
    """The smallest box around all; there must be one at least."""
    return reduce(
        lambda a, b: Bounds(
            min(a.xmin, b.xmin), min(a.ymin, b.ymin), max(a.xmax, b.xmax), max(a.ymax, b.ymax)
        ),
        boxes,
    )


def around(found: Iterable[Bounds | None]) -> Bounds | None:
    """The box around several layers; None where one of them is not known. Several of which one crosses ±180 have the whole circle."""
    boxes = list(found)
    known = [box for box in boxes if box is not None]
    if len(known) < len(boxes) or not known:
        return None
    return known[0] if len(known) == 1 else union(_ordered(box) for box in known)


def center(box: Bounds, grid: Grid, lowest: int, highest: int) -> list[float]:
    """[longitude, latitude, zoom]: the highest zoom at which the box is not larger than one tile."""
    latitude = (box.ymin + box.ymax) / 2
    shrunk = math.cos(math.radians(latitude))
    size = max(box.width * shrunk, box.height) * _METRES_PER_DEGREE
    per_unit = _METRES_PER_DEGREE if grid.crs.is_geographic else shrunk if grid.wraps else 1.0
    fitting = [
        zoom
        for zoom, matrix in grid.matrices.items()
        # 1 %: the whole world is as wide as the one tile of zoom 0, but for the rounding
        if lowest <= zoom <= highest and size <= matrix.span_x * per_unit * 1.01
    ]
    return [round((box.xmin + box.xmax) / 2, 7), round(latitude, 7), max(fitting, default=lowest)]


def _ordered(box: Bounds) -> Bounds:
    if box.xmin <= box.xmax:
        return box
    return Bounds(WORLD.xmin, box.ymin, WORLD.xmax, box.ymax)
