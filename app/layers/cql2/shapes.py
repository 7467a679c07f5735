"""Geometries in a filter: checked, and turned into the layer's CRS before PostgreSQL sees them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from pyproj.exceptions import ProjError

from ..layer import GeometryColumn
from ..projection import transformer_between
from .syntax import Call, Coordinates, FilterError, Number, Shape
from .systems import FilterSystem
from .tree import GeometryLiteral

Position = tuple[float, float]

_NESTED = {"POINT": 0, "LINESTRING": 1, "MULTIPOINT": 1, "POLYGON": 2, "MULTILINESTRING": 2, "MULTIPOLYGON": 3}
"""How many lists are around the positions of a type."""
_STEPS = 20
"""Points along an edge of a box that is drawn in another system, where its edges bend."""
_WIDEST_ON_SPHERE = 90.0


class Drawn(NamedTuple):
    """A geometry as lists of positions, x before y."""

    type: str
    nested: Nested
    parts: tuple[Drawn, ...] = ()


Nested = tuple["float | Nested", ...]


def geometry_literal(shape: Shape, system: FilterSystem, layer: GeometryColumn) -> GeometryLiteral:
    """The geometry for the layer's column. FilterError where it is none, is not valid or cannot be transformed."""
    return _literal(shape.place, _checked(shape, system.swapped), system, layer)


def box_literal(box: Call, system: FilterSystem, layer: GeometryColumn) -> GeometryLiteral:
    """BBOX(west, south, east, north), or with two heights that do not count. West may lie beyond ±180 from east."""
    edges = [float(each.value) for each in box.args if isinstance(each, Number)]
    if len(edges) != len(box.args) or len(edges) not in (4, 6):
        raise FilterError(box.place, f"{box.name.upper()} takes four numbers, or six with heights.")
    if len(edges) == 6:
        edges = [*edges[:2], *edges[3:5]]
    if system.swapped:
        edges = [edges[1], edges[0], edges[3], edges[2]]
    west, south, east, north = edges
    if south > north or (west > east and not system.is_geographic):
        raise FilterError(box.place, "BBOX takes the lower corner before the upper one.")
    steps = 1 if system.definition == layer.crs.definition else _STEPS
    if west <= east:
        return _literal(box.place, _box(west, south, east, north, steps), system, layer)
    if west > 180 or east < -180:
        raise FilterError(box.place, "a BBOX across ±180 begins west and ends east of it.")
    return _literal(box.place, _around_the_world(west, south, east, north, steps), system, layer)


def _around_the_world(west: float, south: float, east: float, north: float, steps: int) -> Drawn:
    """The box on either side of ±180."""
    halves = [_box(w, south, e, north, steps) for w, e in ((west, 180.0), (-180.0, east)) if w < e]
    match halves:
        case []:
            return _box(180.0, south, 180.0, north, steps)
        case [half]:
            return half
    return Drawn(f"MULTI{halves[0].type}", tuple(half.nested for half in halves))


def _box(west: float, south: float, east: float, north: float, steps: int) -> Drawn:
    if west == east and south == north:
        return Drawn("POINT", (west, south))
    if west == east or south == north:
        return Drawn("LINESTRING", ((west, south), (east, north)))
    corners = ((west, south), (east, south), (east, north), (west, north), (west, south))
    return Drawn("POLYGON", (tuple(_densified(corners, steps)),))


def _densified(ring: tuple[Position, ...], steps: int) -> Iterator[Position]:
    yield ring[0]
    for (x1, y1), (x2, y2) in pairwise(ring):
        for step in range(1, steps):
            yield x1 + (x2 - x1) * step / steps, y1 + (y2 - y1) * step / steps
        yield x2, y2


# --- what was written -----------------------------------------------------------------------------------------------


def _checked(shape: Shape, swapped: bool, *, within: bool = False) -> Drawn:
    if shape.type == "GEOMETRYCOLLECTION":
        if within or not shape.parts:
            raise FilterError(shape.place, "a GEOMETRYCOLLECTION must hold geometries that are no collections.")
        return Drawn(shape.type, (), tuple(_checked(part, swapped, within=True) for part in shape.parts))
    nested = _NESTED.get(shape.type)
    if nested is None or shape.parts:
        raise FilterError(shape.place, f"these are not the coordinates of a {shape.type}.")
    drawn = Drawn(shape.type, _positions(shape, shape.coordinates, nested, swapped))
    for line in _lines(drawn):
        if shape.type.endswith("LINESTRING") and len(line) < 2:
            raise FilterError(shape.place, "a line has at least two positions.")
        if shape.type.endswith("POLYGON") and (len(line) < 4 or line[0] != line[-1]):
            raise FilterError(shape.place, "a ring has at least four positions, and the last is the first.")
    return drawn


def _positions(shape: Shape, found: Coordinates, nested: int, swapped: bool) -> Nested:
    if nested == 0:
        values = [value for value in found if isinstance(value, float)]
        if len(values) != len(found) or not 2 <= len(values) <= 4:
            raise FilterError(shape.place, f"these are not the coordinates of a {shape.type}.")
        return (values[1], values[0]) if swapped else (values[0], values[1])
    if not found or any(isinstance(each, float) for each in found):
        raise FilterError(shape.place, f"these are not the coordinates of a {shape.type}.")
    return tuple(_positions(shape, each, nested - 1, swapped) for each in found if isinstance(each, tuple))


def _lines(drawn: Drawn) -> Iterator[Nested]:
    """Lists of positions: lines and rings."""
    level: list[Nested] = [drawn.nested]
    for _ in range(_NESTED[drawn.type] - 1):
        level = [inner for each in level for inner in each if isinstance(inner, tuple)]
    return iter(level)


# --- in the layer's CRS ---------------------------------------------------------------------------------------------


def _literal(place: str, drawn: Drawn, system: FilterSystem, layer: GeometryColumn) -> GeometryLiteral:
    # Made of checked numbers, so that it can be read; a ring that crosses itself has no certain inside.
    # Not before a filter holds a geometry: shapely and numpy below it take a worker some megabytes.
    from shapely import from_wkt, is_valid_reason

    reason = is_valid_reason(from_wkt(_wkt(drawn)))
    if reason != "Valid Geometry":
        raise FilterError(place, f"the geometry is not valid: {reason}.")
    if system.definition != layer.crs.definition:
        drawn = _transformed(place, drawn, system.definition, layer.crs.definition)
    return GeometryLiteral(_wkt(drawn), layer.crs.srid, _around(drawn) if layer.is_geography else None)


def _transformed(place: str, drawn: Drawn, source: str, target: str) -> Drawn:
    flat = list(_flat(drawn))
    moved = _moved(flat, source, target)
    if moved is None:
        raise FilterError(place, "the coordinates cannot be transformed to the layer's reference system.")
    return _with_positions(drawn, iter(moved))


def _moved(flat: list[Position], source: str, target: str) -> list[Position] | None:
    transformer = transformer_between(source, target)
    if transformer is None:
        return None
    try:
        xs, ys = transformer.transform([x for x, _ in flat], [y for _, y in flat])
    except ProjError:
        return None
    return list(zip(xs, ys, strict=True)) if all(map(math.isfinite, (*xs, *ys))) else None


def _flat(drawn: Drawn) -> Iterator[Position]:
    for part in drawn.parts:
        yield from _flat(part)
    if not drawn.parts:
        yield from _flat_positions(drawn.nested)


def _flat_positions(nested: Nested) -> Iterator[Position]:
    match nested:
        case (float(x), float(y)):
            yield x, y
        case _:
            for each in nested:
                if isinstance(each, tuple):
                    yield from _flat_positions(each)


def _with_positions(drawn: Drawn, moved: Iterator[Position]) -> Drawn:
    if drawn.parts:
        return Drawn(drawn.type, (), tuple(_with_positions(part, moved) for part in drawn.parts))
    return Drawn(drawn.type, _nested_again(drawn.nested, moved))


def _nested_again(nested: Nested, moved: Iterator[Position]) -> Nested:
    if isinstance(nested[0], float):
        return next(moved)
    return tuple(_nested_again(each, moved) for each in nested if isinstance(each, tuple))


def _around(drawn: Drawn) -> str | None:
    """A box of short edges around the geometry: on the sphere a long edge bends away from what is meant."""
    flat = list(_flat(drawn))
    west, east = min(x for x, _ in flat), max(x for x, _ in flat)
    south, north = min(y for _, y in flat), max(y for _, y in flat)
    if west < -180 or east > 180 or south < -90 or north > 90 or max(east - west, north - south) > _WIDEST_ON_SPHERE:
        return None
    return _wkt(_box(west, south, east, north, max(1, int(max(east - west, north - south)))))


def _wkt(drawn: Drawn) -> str:
    if drawn.parts:
        return f"{drawn.type}({','.join(_wkt(part) for part in drawn.parts)})"
    inside = _inside(drawn.nested)
    return f"{drawn.type}({inside})" if drawn.type == "POINT" else f"{drawn.type}{inside}"


def _inside(nested: Nested) -> str:
    match nested:
        case (float(x), float(y)):
            return f"{x!r} {y!r}"
    return f"({','.join(_inside(each) for each in nested if isinstance(each, tuple))})"
