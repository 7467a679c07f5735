"""Coordinate reference systems: the SRID for PostGIS, and pyproj for boxes that are computed outside the database."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from pyproj.exceptions import ProjError

from . import mercator
from .bounds import EVERYWHERE, WORLD, Bounds
from .projection import CYLINDRICAL, metres_per_unit, per_degree, projection_of, transformer_between

# 21 points on each edge is GDAL's and pyproj's own choice for densified edges.
_DENSIFY = 21
# In a box of a city's size edges hardly bend and scale hardly changes, and each point costs PROJ up to 3 µs.
_DENSIFY_SMALL = 2
_SMALL_M = 100_000.0
# A tile wider than this may fold back on itself in a projection made for a smaller area.
_WIDE_DEGREES = 45.0
# About what two ways from one datum to another differ by; half as much again in degrees at 60° north.
_DATUM_SLACK_M = 20.0
_DATUM_SLACK_DEGREES = 0.0005
# Part of a box by which an edge between two of its points was seen to bulge: 1.2 % in random tiles of all grids. In small ones,
# where the points are the corners, 0.1 % at 80 km, and in proportion to the size.
_BULGE = 0.025
# No coordinate on earth is as large, in metres or feet: a projection that gives it was asked beyond its domain.
_FARTHEST = 1e9
_ROUNDING_DEGREES = 1e-6


@dataclass(frozen=True, slots=True)
class Crs:
    """A row of `spatial_ref_sys`: the SRID, and what defines it outside PostGIS (`EPSG:4326`, WKT or a PROJ string)."""

    srid: int
    definition: str

    @property
    def is_geographic(self) -> bool:
        return _is_geographic(self.definition)


def is_known(definition: str) -> bool:
    """Whether PROJ can make something of the definition."""
    return projection_of(definition) is not None


def is_on_earth(definition: str) -> bool:
    """Whether PROJ can turn it into longitude and latitude: a plan of a hall has a CRS too."""
    return transformer_between(definition, "EPSG:4326") is not None


@lru_cache(maxsize=512)
def _area(definition: str) -> Bounds | None:
    projection = projection_of(definition)
    area = None if projection is None else projection.area_of_use
    return None if area is None else Bounds(area.west, area.south, area.east, area.north)


def area_of_use(crs: Crs) -> Bounds | None:
    """Longitudes and latitudes that the CRS is made for, xmin > xmax across ±180; None where nobody said."""
    return _area(crs.definition)


def lonlat(box: Bounds, crs: Crs) -> Bounds | None:
    """The box in longitude and latitude, edges densified; None where the CRS cannot say.

    A box that crosses ±180 comes back with xmin > xmax, as GeoJSON (RFC 7946 §5.2) has it.
    """
    return _transformed(box, crs.definition, "EPSG:4326")


def projected(box: Bounds, crs: Crs) -> Bounds | None:
    """A box of longitude and latitude in a CRS, edges densified; None where that cannot say."""
    return _transformed(box, "EPSG:4326", crs.definition)


def _transformed(box: Bounds, source: str, target: str, points: int = _DENSIFY) -> Bounds | None:
    if source == target:
        return box
    if mercator.leads(source, target) and (found := mercator.degrees(box)) is not None:
        return found
    transformer = transformer_between(source, target)
    if transformer is None:
        return None
    try:
        edges = transformer.transform_bounds(box.xmin, box.ymin, box.xmax, box.ymax, densify_pts=points)
    except ProjError:
        return None
    if not all(abs(edge) < _FARTHEST for edge in edges):
        return None
    scale = per_degree(source)
    if scale is not None and box.width >= scale * (360 - _ROUNDING_DEGREES) and _is_geographic(target):
        # The outline alone does not tell a whole turn from none: from 30° west round to 30° west.
        return Bounds(WORLD.xmin, edges[1], WORLD.xmax, edges[3])
    return Bounds(*edges)


def _points(box: Bounds, crs: Crs) -> int:
    """How many points an edge needs where the box grows by `_BULGE` afterwards."""
    return _DENSIFY_SMALL if _is_small(box, crs.definition) else _DENSIFY


def _is_small(box: Bounds, definition: str) -> bool:
    return _metres(box, definition) < _SMALL_M


def _metres(box: Bounds, definition: str) -> float:
    """The longer side, about."""
    return max(box.width, box.height) * metres_per_unit(definition)


def _is_geographic(definition: str) -> bool:
    projection = projection_of(definition)
    return projection is not None and projection.is_geographic


def search_boxes(box: Bounds, grid: Crs, layer: Crs) -> tuple[Bounds, ...]:
    """The boxes of the layer's CRS that together hold everything that may lie in `box` of the grid's CRS.

    Two boxes where it crosses ±180. `(EVERYWHERE,)` where no finite box is certain: a slow tile is better than one
    with holes.
    """
    if grid.srid == layer.srid:
        return (box,)
    if layer.is_geographic:
        degrees = _transformed(box, grid.definition, layer.definition, _points(box, grid))
        if degrees is None:
            return (EVERYWHERE,)
        return _cut_at_antimeridian(_padded(degrees, box, grid, layer, _DATUM_SLACK_DEGREES))
    found = _box_in_projection(box, grid, layer)
    return (found if found == EVERYWHERE else _padded(found, box, grid, layer, _DATUM_SLACK_M),)


def _padded(found: Bounds, box: Bounds, grid: Crs, layer: Crs, slack: float) -> Bounds:
    """Grown by what the box of the points along the outline of `box` may lack.

    Between two datums the database may know another way than pyproj. And an edge that bends reaches beyond its points, the
    less the shorter it is; only where meridians and parallels stay straight lines along the axes it does not.
    """
    more = slack if _datums_differ(grid.definition, layer.definition) else 0.0
    if not (_is_aligned(grid.definition) and _is_aligned(layer.definition)):
        width = found.width if found.xmin <= found.xmax else found.width + 360
        more += _BULGE * min(1.0, _metres(box, grid.definition) / _SMALL_M) * max(width, found.height)
    return found.padded(more, more)


def _cut_at_antimeridian(box: Bounds) -> tuple[Bounds, ...]:
    west, east = _edge(box.xmin), _edge(box.xmax)
    if west <= east:
        return (Bounds(west, box.ymin, east, box.ymax),)
    return (Bounds(west, box.ymin, WORLD.xmax, box.ymax), Bounds(WORLD.xmin, box.ymin, east, box.ymax))


def _edge(longitude: float) -> float:
    """A longitude as near to ±180 as rounding goes is ±180: data end there exactly."""
    return math.copysign(180.0, longitude) if abs(abs(longitude) - 180.0) < 1e-9 else longitude


@lru_cache(maxsize=512)
def _is_aligned(definition: str) -> bool:
    """Whether meridians and parallels are straight lines along the axes."""
    projection = projection_of(definition)
    if projection is None:
        return False
    operation = projection.coordinate_operation
    return projection.is_geographic or (operation is not None and operation.method_name in CYLINDRICAL)


@lru_cache(maxsize=512)
def _datums_differ(source: str, target: str) -> bool:
    one, other = (projection_of(definition) for definition in (source, target))
    if one is None or other is None or one.geodetic_crs is None or other.geodetic_crs is None:
        return True
    datums = (one.geodetic_crs.datum, other.geodetic_crs.datum)
    return datums[0] is None or datums[1] is None or datums[0].name != datums[1].name


def _box_in_projection(box: Bounds, grid: Crs, layer: Crs) -> Bounds:
    degrees = lonlat(box, grid)
    if degrees is None or degrees.xmin > degrees.xmax:
        return EVERYWHERE
    if degrees.width > _WIDE_DEGREES or degrees.height > _WIDE_DEGREES:
        return EVERYWHERE
    found = _transformed(box, grid.definition, layer.definition, _points(box, grid))
    return EVERYWHERE if found is None or found.xmin > found.xmax else found


def length_in_layer(length: float, box: Bounds, grid: Crs, layer: Crs) -> float:
    """The smallest length in the layer's units of a step of `length` grid units anywhere in the box.

    Measured at nine points along both axes, because scale differs within a tile: a pixel of a Web Mercator tile at
    z0 is 0.35° high at the equator and 0.03° at 85° north. In a small box at three. 0 where no point can be transformed.
    """
    if grid.srid == layer.srid:
        return length
    if mercator.leads(grid.definition, layer.definition):
        return mercator.shortest(length, box)
    transformer = transformer_between(grid.definition, layer.definition)
    if transformer is None:
        return 0.0
    columns = (box.xmin, (box.xmin + box.xmax) / 2, box.xmax - length)
    rows = (box.ymin, (box.ymin + box.ymax) / 2, box.ymax - length)
    points = list(zip(columns, rows, strict=True)) if _is_small(box, grid.definition) else [(x, y) for x in columns for y in rows]
    xs = [x + dx for dx in (0.0, length, 0.0) for x, _ in points]
    ys = [y + dy for dy in (0.0, 0.0, length) for _, y in points]
    try:
        tx, ty = transformer.transform(xs, ys)
    except ProjError:
        return 0.0
    n = len(points)
    steps = [math.hypot(tx[k * n + i] - tx[i], ty[k * n + i] - ty[i]) for i in range(n) for k in (1, 2)]
    finite = [step for step in steps if math.isfinite(step) and step > 0]
    return min(finite, default=0.0)
