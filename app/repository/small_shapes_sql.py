"""How a line or an area is drawn that is too small for the tile's units: as small as can be seen, at its place.

The parameters `pixel_x` and `pixel_y` are the width and height of a pixel in the grid's CRS. `tiny` is an eighth of a pixel
in units of the layer's CRS, the smallest that it is anywhere in the tile: of what is narrower, only the middle of its box
is transformed. `half_pixel` is half a pixel in units of the tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from psycopg import sql

from ..layers.layer import GeometryColumn

LINEAR = {"LINESTRING", "MULTILINESTRING"}
AREAL = {"POLYGON", "MULTIPOLYGON"}

_PIXEL_X, _PIXEL_Y = sql.SQL("%(pixel_x)s::pg_catalog.float8"), sql.SQL("%(pixel_y)s::pg_catalog.float8")
_TINY, _HALF = sql.SQL("%(tiny)s::pg_catalog.float8"), sql.SQL("%(half_pixel)s::pg_catalog.float8")
_RADIUS = 6378137.0
"""Metres, of the sphere of EPSG:3857."""
_HALF_DIAGONAL = 0.36
"""Part of a pixel's width and height that a line across its middle, as long as the pixel is wide, covers on each side."""


def small_shape(
    geom: sql.Composable,
    geometry: GeometryColumn,
    schema: sql.Identifier,
    encoded: Callable[[sql.Composable], sql.Composed],
    *,
    as_tiny: bool,
) -> sql.Composed:
    """A geometry of the grid's CRS, named `geom`, that ST_AsMVTGeom left out, as `encoded` makes a shape in units of the
    tile; NULL where it was left out for another reason than being small. `as_tiny` says that it is drawn around its middle,
    as what is tiny: a point is encoded in 2.2 µs, a square in 12."""
    if as_tiny:
        pixel = around(encoded(_middle_of_box(geom, schema)), geometry, schema)
    else:
        pixel = encoded(_pixel(geom, geometry, schema))
    return sql.SQL(
        "CASE WHEN {s}.ST_XMax({g}) - {s}.ST_XMin({g}) < {px} AND {s}.ST_YMax({g}) - {s}.ST_YMin({g}) < {py} THEN {pixel}{thin} END"
    ).format(
        s=schema,
        g=geom,
        px=_PIXEL_X,
        py=_PIXEL_Y,
        pixel=pixel,
        thin=_thin(geom, geometry, schema, encoded),
    )


def _pixel(geom: sql.Composable, geometry: GeometryColumn, schema: sql.Identifier) -> sql.Composable:
    """A square of a pixel, or a line as long, around the middle of the geometry's box."""
    x = sql.SQL("({s}.ST_XMin({g}) + {s}.ST_XMax({g})) / 2").format(s=schema, g=geom)
    y = sql.SQL("({s}.ST_YMin({g}) + {s}.ST_YMax({g})) / 2").format(s=schema, g=geom)
    # Aslant, because of a line along the very edge of the tile the clip leaves nothing.
    line = sql.SQL(
        "{s}.ST_MakeLine({s}.ST_MakePoint({x} - {px} * {part}, {y} - {py} * {part}),"
        " {s}.ST_MakePoint({x} + {px} * {part}, {y} + {py} * {part}))"
    ).format(s=schema, x=x, y=y, px=_PIXEL_X, py=_PIXEL_Y, part=sql.Literal(_HALF_DIAGONAL))
    square = sql.SQL(
        "{s}.ST_MakeEnvelope({x} - {px} / 2, {y} - {py} / 2, {x} + {px} / 2, {y} + {py} / 2)"
    ).format(s=schema, x=x, y=y, px=_PIXEL_X, py=_PIXEL_Y)
    if geometry.type in LINEAR:
        return line
    if geometry.type in AREAL:
        return square
    return sql.SQL("CASE {}.ST_Dimension({}) WHEN 1 THEN {} WHEN 2 THEN {} END").format(
        schema, geom, line, square
    )


def _thin(
    geom: sql.Composable,
    geometry: GeometryColumn,
    schema: sql.Identifier,
    encoded: Callable[[sql.Composable], sql.Composed],
) -> sql.Composable:
    """Areas that are long and thin, or many small ones: their edge, half a pixel wide on each side.

    How thin an area is, its size and the length of its edge say. An area that lies around the tile is not thin, and
    costs no more than these two.
    """
    if geometry.type in LINEAR:
        return sql.SQL("")
    areas = geom if geometry.type in AREAL else sql.SQL("{}.ST_CollectionExtract({}, 3)").format(schema, geom)
    wide = sql.SQL(
        "{s}.ST_Buffer({s}.ST_Simplify({s}.ST_Boundary({a}), {px} / 2, true), {px} / 2, 1)"
    ).format(s=schema, a=areas, px=_PIXEL_X)
    return sql.SQL(
        " WHEN {s}.ST_Dimension({g}) = 2 AND {s}.ST_Area({g}) * 2 < {s}.ST_Perimeter({g}) * LEAST({px}, {py}) / 2 THEN {mvt}"
    ).format(s=schema, g=geom, px=_PIXEL_X, py=_PIXEL_Y, mvt=encoded(wide))


def is_tiny(stored: sql.Composable, schema: sql.Identifier) -> sql.Composed:
    """Whether a stored geometry is too small to be seen. NaN is not, nor is what is empty."""
    return sql.SQL(
        "{s}.ST_XMax({g}) - {s}.ST_XMin({g}) < {tiny} AND {s}.ST_YMax({g}) - {s}.ST_YMin({g}) < {tiny}"
    ).format(s=schema, g=stored, tiny=_TINY)


def middle(stored: sql.Composable, srid: int, schema: sql.Identifier) -> sql.Composed:
    """The middle of its box, as a point."""
    return sql.SQL("{}.ST_SetSRID({}, {})").format(schema, _middle_of_box(stored, schema), sql.Literal(srid))


def middle_in_mercator(stored: sql.Composable, schema: sql.Identifier) -> sql.Composed:
    """The middle of the box of a geometry in degrees (EPSG:4326), as a point in EPSG:3857: ST_Transform takes 3.3 µs for it."""
    return sql.SQL(
        "{s}.ST_SetSRID({s}.ST_MakePoint(({s}.ST_XMin({g}) + {s}.ST_XMax({g})) / 2 * {degree},"
        # At a pole there is no logarithm; no tile reaches up there.
        " pg_catalog.ln(pg_catalog.tan(pg_catalog.radians(45 + LEAST(GREATEST(({s}.ST_YMin({g}) + {s}.ST_YMax({g})) / 2, -89.9), 89.9) / 2)))"
        " * {radius}), 3857)"
    ).format(s=schema, g=stored, degree=sql.Literal(math.radians(_RADIUS)), radius=sql.Literal(_RADIUS))


def _middle_of_box(geom: sql.Composable, schema: sql.Identifier) -> sql.Composed:
    return sql.SQL(
        "{s}.ST_MakePoint(({s}.ST_XMin({g}) + {s}.ST_XMax({g})) / 2, ({s}.ST_YMin({g}) + {s}.ST_YMax({g})) / 2)"
    ).format(s=schema, g=geom)


def around(point: sql.Composable, geometry: GeometryColumn, schema: sql.Identifier) -> sql.Composed:
    """A square of a pixel, or a line as long, around a point in units of the tile."""
    square = sql.SQL("{}.ST_Expand({}, {})").format(schema, point, _HALF)
    if geometry.type in LINEAR:
        return sql.SQL("{}.ST_BoundingDiagonal({})").format(schema, square)
    # The tile's y runs downward, so the ring has to run the other way.
    return sql.SQL("{}.ST_Reverse({})").format(schema, square)
