"""`bbox`: a box of a request as a condition on a layer's geometry, in the layer's own reference system."""

from __future__ import annotations

import math
import re

from ..errors import BadParameter
from .bounds import WORLD, Bounds
from .cql2.systems import CRS84, asked_system
from .cql2.tree import Expression, GeometryLiteral, LayerGeometry, Or, Spatial
from .layer import GeometryColumn
from .outlines import outline
from .parameters import shown

_NAME = "bbox"
_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*", re.ASCII)
_FARTHEST_LONGITUDE = 540.0
"""A map that shows the world more than once asks beyond ±180: one turn more is understood."""


def box_condition(geometry: GeometryColumn, text: str, system: str | None) -> Expression:
    """That a row's geometry meets the box: four numbers, or six of which the heights do not count.

    `system` is that of the numbers, CRS84 where None. Where that is one of degrees, west above east crosses ±180.
    """
    found = asked_system(system, geometry.crs, "bbox-crs") if system else CRS84
    box = _read(text, north_first=found.swapped)
    boxes = _on_earth(box, text) if found.is_geographic else _upright(box, text)
    row = LayerGeometry(geometry.name, geometry.type, geometry.crs.srid, geometry.is_geography)
    outlines = [outline(each, found, geometry.crs) for each in boxes]
    met: list[Expression] = []
    for drawn in outlines:
        if drawn is None:
            raise BadParameter(_NAME, f"bbox cannot be drawn in the reference system of the layer, EPSG:{geometry.crs.srid}.")
        met.append(Spatial("intersects", row, GeometryLiteral(drawn, geometry.crs.srid)))
    return met[0] if len(met) == 1 else Or(tuple(met))


def boxes_of(text: str) -> tuple[Bounds, ...]:
    """A box of longitude and latitude, as text; two where it crosses ±180. BadParameter where it is none."""
    return _on_earth(_read(text, north_first=False), text)


def _read(text: str, *, north_first: bool) -> Bounds:
    numbers = [_number(part, text) for part in text.split(",", 6)]
    if len(numbers) == 6:
        numbers = [numbers[0], numbers[1], numbers[3], numbers[4]]
    if len(numbers) != 4:
        raise BadParameter(_NAME, f"bbox must be four or six numbers between commas, not {shown(text)}.")
    one, two, three, four = numbers
    return Bounds(two, one, four, three) if north_first else Bounds(one, two, three, four)


def _number(part: str, text: str) -> float:
    found = _NUMBER.fullmatch(part)
    value = math.inf if found is None else float(found[1])
    if not math.isfinite(value):
        raise BadParameter(_NAME, f"bbox must be four or six numbers between commas, not {shown(text)}.")
    return value


def _upright(box: Bounds, text: str) -> tuple[Bounds, ...]:
    if box.xmin > box.xmax or box.ymin > box.ymax:
        raise BadParameter(_NAME, f"bbox must begin with its lower corner, not {shown(text)}.")
    return (box,)


def _on_earth(box: Bounds, text: str) -> tuple[Bounds, ...]:
    """The box in degrees, cut in two where it crosses ±180."""
    if not -90 <= box.ymin <= box.ymax <= 90:
        raise BadParameter(_NAME, f"The latitudes of bbox must be -90 to 90, the lower one first, not {shown(text)}.")
    if max(abs(box.xmin), abs(box.xmax)) > _FARTHEST_LONGITUDE:
        raise BadParameter(_NAME, f"The longitudes of bbox must be -{_FARTHEST_LONGITUDE:g} to {_FARTHEST_LONGITUDE:g}, not {shown(text)}.")
    if box.width >= 360:
        return (Bounds(WORLD.xmin, box.ymin, WORLD.xmax, box.ymax),)
    west, east = _within_world(box.xmin), _within_world(box.xmax)
    if west <= east:
        return (Bounds(west, box.ymin, east, box.ymax),)
    return (Bounds(west, box.ymin, WORLD.xmax, box.ymax), Bounds(WORLD.xmin, box.ymin, east, box.ymax))


def _within_world(longitude: float) -> float:
    return longitude if abs(longitude) <= 180 else (longitude + 180) % 360 - 180
