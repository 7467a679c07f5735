"""A box of one reference system as a geometry of another, as exact as its edges bend."""

from __future__ import annotations

import math
from itertools import pairwise

import pyproj
from pyproj.exceptions import ProjError

from .bounds import WORLD, Bounds
from .cql2.systems import FilterSystem
from .crs import Crs
from .projection import CYLINDRICAL, projection_of, transformer_between

_STEPS = 100
"""Into so many parts an edge is cut that may bend: of ten degrees each part's middle is then some metres beside it."""
_TRUSTED_DEGREES = 10.0
"""How far around the area that a projection was made for it is asked."""
_HIGHEST = 89.9
"""Mercator has no pole."""
_NOWHERE = "POINT EMPTY"
_ROUNDING = 1e-6
"""Part of the box, or of the world, by which a way there and back may miss."""

_Points = list[tuple[float, float]]


def outline(box: Bounds, system: FilterSystem, layer: Crs) -> str | None:
    """The box as WKT in the layer's CRS; of no height or width it is a line or a point.

    Nothing where the box is outside of what the layer's projection was made for. None where it cannot be drawn there:
    a box around a pole in degrees, or one that reaches beyond what its own projection can tell.
    """
    if system.definition == layer.definition or (system.is_geographic and layer.is_geographic):
        return _wkt(_ring(box, steps=1))
    if system.is_geographic:
        trusted = _trusted(layer)
        if not box.intersects(trusted):
            return _NOWHERE
        box = box.clamped(trusted)
    there = transformer_between(system.definition, layer.definition)
    back = transformer_between(layer.definition, system.definition)
    if there is None or back is None:
        return None
    corners = _ring(box, steps=_STEPS)
    points = _transformed(there, corners)
    if points is None or not _comes_back(back, points, corners, box, in_degrees=system.is_geographic):
        return None
    if layer.is_geographic and any(abs(one[0] - two[0]) > 180 for one, two in pairwise(points)):
        return None
    return _wkt(points)


def _trusted(layer: Crs) -> Bounds:
    projection = projection_of(layer.definition)
    operation = None if projection is None else projection.coordinate_operation
    if operation is not None and operation.method_name in CYLINDRICAL:
        return Bounds(WORLD.xmin, -_HIGHEST, WORLD.xmax, _HIGHEST)
    area = None if projection is None else projection.area_of_use
    if area is None:
        return WORLD
    around = Bounds(area.west, area.south, area.east, area.north).padded(_TRUSTED_DEGREES, _TRUSTED_DEGREES)
    if area.west > area.east or around.xmin < WORLD.xmin or around.xmax > WORLD.xmax:
        around = Bounds(WORLD.xmin, around.ymin, WORLD.xmax, around.ymax)
    return around.clamped(WORLD)


def _ring(box: Bounds, steps: int) -> _Points:
    corners = ((box.xmin, box.ymin), (box.xmax, box.ymin), (box.xmax, box.ymax), (box.xmin, box.ymax), (box.xmin, box.ymin))
    points = [corners[0]]
    for one, two in pairwise(corners):
        points += [
            (one[0] + (two[0] - one[0]) * step / steps, one[1] + (two[1] - one[1]) * step / steps) for step in range(1, steps)
        ]
        points.append(two)
    return points


def _transformed(transformer: pyproj.Transformer, points: _Points) -> _Points | None:
    try:
        xs, ys = transformer.transform([x for x, _ in points], [y for _, y in points])
    except ProjError:
        return None
    found = list(zip(xs, ys, strict=True))
    return found if all(math.isfinite(x) and math.isfinite(y) for x, y in found) else None


def _comes_back(back: pyproj.Transformer, points: _Points, corners: _Points, box: Bounds, *, in_degrees: bool) -> bool:
    """Whether each point is where it was when it is transformed back: beyond its domain a projection folds."""
    returned = _transformed(back, points)
    if returned is None:
        return False
    room = _ROUNDING * (360 if in_degrees else max(box.width, box.height, 1.0, abs(box.xmin), abs(box.ymin)))
    for (x, y), (x0, y0) in zip(returned, corners, strict=True):
        dx = abs(x - x0)
        if in_degrees:
            # All longitudes meet at a pole, and -180 is 180.
            dx = 0.0 if abs(y0) > _HIGHEST else min(dx, abs(dx - 360))
        if dx > room or abs(y - y0) > room:
            return False
    return True


def _wkt(points: _Points) -> str:
    # Not before somebody asks for a box: shapely and numpy below it take a worker some megabytes.
    from shapely import make_valid
    from shapely.geometry import LineString, Point, Polygon

    different = list(dict.fromkeys(points))
    if len(different) == 1:
        return str(Point(different[0]).wkt)
    polygon = Polygon(points)
    if len(different) == 2 or polygon.area == 0:
        return str(LineString(points).simplify(0).wkt)
    # Points on a straight edge say nothing. An edge that runs to a pole and back crosses itself.
    simple = polygon.simplify(0)
    return str((simple if simple.is_valid else make_valid(simple)).wkt)
