"""Where a reference system comes round, and how far from its middle a projection can be asked.

Longitudes 190 and -170 are one place. A table may hold either; a grid shows one of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from .bounds import WORLD, Bounds
from .crs import Crs
from .projection import (
    CYLINDRICAL,
    TRANSVERSE,
    central_meridian,
    centre,
    per_degree,
    projection_of,
    transformer_between,
)

_FAR = 1e9
"""Metres north and south: a Mercator projection has no edge there."""
_REACH_DEGREES = 80.9
"""PROJ's transverse Mercator fails within 9 degrees of the two points of the equator that are a quarter turn from its
central meridian, and mirrors what lies behind them."""
_NEAR_POLE = 89.9
"""Latitude at which a projection that has no place for a pole still has one for its neighbours."""
_NEAR_EDGE_DEGREES = 4e-5
"""Data that end at ±180 but for the rounding of a spatial index (single precision) do not reach beyond."""


@dataclass(frozen=True, slots=True)
class World:
    """The box of all that a reference system names once; `turn` further east or west it names the same again."""

    box: Bounds
    turn: float

    def beyond(self) -> tuple[Bounds, Bounds]:
        """Boxes of what lies west and east of it, less what rounding may have put there."""
        slack = self.turn * _NEAR_EDGE_DEGREES / 360
        far = 1e12
        return (
            Bounds(-far, -far, self.box.xmin - slack, far),
            Bounds(self.box.xmax + slack, -far, far, far),
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the plane of a layer's CRS, and how far to the east what lies in it belongs."""

    box: Bounds
    shift: float = 0.0


def world(crs: Crs) -> World | None:
    """The world of a CRS in degrees, or of one in which x is the longitude; None for all others."""
    return _world(crs.definition)


@lru_cache(maxsize=512)
def _world(definition: str) -> World | None:
    projection = projection_of(definition)
    if projection is None:
        return None
    if projection.is_geographic:
        in_degrees = projection.axis_info and projection.axis_info[0].unit_name == "degree"
        return World(WORLD, WORLD.width) if in_degrees else None
    middle, scale = centre(definition), per_degree(definition)
    if middle is None or scale is None:
        return None
    return World(Bounds(middle - 180 * scale, -_FAR, middle + 180 * scale, _FAR), 360 * scale)


def pieces(layer: Crs, grid: Crs, *, comes_round: bool) -> tuple[Piece, ...]:
    """The parts of the layer's plane that can be drawn in the grid, each with the way that its rows are moved.

    Empty where the whole plane can be drawn as it is. `comes_round` says that rows beyond the edges are to be moved to
    where they belong; without it they are cut off.
    """
    whole = world(layer)
    if whole is None:
        return ()
    reach = _reach(layer, grid, whole)
    if not reach and not comes_round:
        return ()
    shifts = (0.0, -whole.turn, whole.turn) if comes_round else (0.0,)
    return tuple(Piece(_moved(box, -shift), shift) for shift in shifts for box in reach or (whole.box,))


def _reach(layer: Crs, grid: Crs, whole: World) -> tuple[Bounds, ...]:
    """Boxes of the layer's CRS outside of which the grid's projection fails; none where it does not."""
    south, north = _parallels(layer, grid, whole)
    middle = central_meridian(grid.definition, TRANSVERSE)
    if middle is None:
        cut = Bounds(whole.box.xmin, south, whole.box.xmax, north)
        return () if cut == whole.box else (cut,)
    own = 0.0 if layer.is_geographic else central_meridian(layer.definition, CYLINDRICAL) or 0.0
    scale, middle_x = whole.turn / 360, (whole.box.xmin + whole.box.xmax) / 2
    west = (middle - own + 180) % 360 - 180 - _REACH_DEGREES
    edges = [(west, west + 2 * _REACH_DEGREES)]
    if west < -180:
        edges = [(-180.0, edges[0][1]), (west + 360, 180.0)]
    elif edges[0][1] > 180:
        edges = [(west, 180.0), (-180.0, edges[0][1] - 360)]
    return tuple(
        Bounds(middle_x + a * scale, south, middle_x + b * scale, north) for a, b in edges
    )


def _parallels(layer: Crs, grid: Crs, whole: World) -> tuple[float, float]:
    """Lowest and highest y of the layer that the grid's projection can place: a cone or a polar plane lacks one pole."""
    south, north = _poles(grid.definition)
    to_layer = None if layer.is_geographic else transformer_between("EPSG:4326", layer.definition)
    lowest, highest = whole.box.ymin, whole.box.ymax
    if not south:
        lowest = -_NEAR_POLE if to_layer is None else to_layer.transform(0.0, -_NEAR_POLE)[1]
    if not north:
        highest = _NEAR_POLE if to_layer is None else to_layer.transform(0.0, _NEAR_POLE)[1]
    return lowest, highest


@lru_cache(maxsize=512)
def _poles(definition: str) -> tuple[bool, bool]:
    """Whether the projection has a place for the south pole, and for the north pole."""
    transformer = transformer_between("EPSG:4326", definition)
    if transformer is None:
        return True, True
    places = [transformer.transform(0.0, latitude) for latitude in (-90.0, 90.0)]
    return math.isfinite(sum(places[0])), math.isfinite(sum(places[1]))


def _moved(box: Bounds, shift: float) -> Bounds:
    return Bounds(box.xmin + shift, box.ymin, box.xmax + shift, box.ymax)


def turned(box: Bounds, layer: Crs) -> tuple[Bounds, ...]:
    """The same box one turn east and one west."""
    whole = world(layer)
    return () if whole is None else (_moved(box, whole.turn), _moved(box, -whole.turn))
