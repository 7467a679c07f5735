"""The values that a tile gives to registered statements and to functions that return rows: `:z`, `:bounds` and so on."""

from __future__ import annotations

from psycopg import sql

from ..layers.bounds import EVERYWHERE, WORLD, Bounds
from ..layers.crs import Crs, area_of_use, search_boxes
from ..layers.projection import transformer_between
from ..layers.request import LayerRequest
from ..layers.row_function import Filled, RowFunctionLayer
from ..layers.sql_layer import SqlRowLayer, SqlTileLayer
from ..layers.tile import Tile

CalledRows = RowFunctionLayer | SqlRowLayer
"""Layers whose rows come of a call, with values of the tile."""

_DEGREES = Crs(4326, "EPSG:4326")
_TRUSTED_DEGREES = 10.0
"""How far around the area that a projection was made for it is believed."""
_WIDEST = Bounds(-1e8, -1e8, 1e8, 1e8)
"""Wider than the earth in metres and in feet."""


def key(name: str) -> str:
    """The name of a placeholder among all the parameters of a tile's statement."""
    return f":{name}"


def casts(postgis_schema: str) -> dict[str, str]:
    """The type of each placeholder that a tile fills, as a statement writes it."""
    geometry = sql.Identifier(postgis_schema, "geometry").as_string(None)
    whole = "pg_catalog.int4"
    return {
        "z": whole, "x": whole, "y": whole, "bounds": geometry, "srid": whole,
        "envelope": geometry, "extent": whole, "buffer": whole, "layer": "pg_catalog.text",
    }  # fmt: skip


def row_values(request: LayerRequest, layer: CalledRows, tile: Tile, grid_srid: int) -> dict[str, object]:
    """Those of a layer of rows, with the arguments that the request gives."""
    crs = layer.geometry.crs
    values = _values(request, layer, tile, crs, crs.srid, grid_srid)
    if isinstance(layer, RowFunctionLayer) and any(
        each.is_geography and each.filled is Filled.BOUNDS for each in layer.filled
    ):
        values[key("sphere")] = _ewkt(_boxes(request, tile, _DEGREES), _DEGREES.srid)
    return values


def tile_values(request: LayerRequest, layer: SqlTileLayer, tile: Tile, grid_srid: int) -> dict[str, object]:
    """Those of a statement that makes the tile itself. Its box is in the grid's CRS, where no other is declared."""
    if layer.crs is not None:
        return _values(request, layer, tile, layer.crs, layer.crs.srid, grid_srid)
    return _values(request, layer, tile, request.grid.crs, grid_srid, grid_srid)


def argument_key(layer: CalledRows | SqlTileLayer, name: str) -> str:
    """The name of the parameter for an argument. That of a function may be made of any characters."""
    if isinstance(layer, RowFunctionLayer):
        return key(f"argument{[each.name for each in layer.arguments].index(name)}")
    return key(name)


def _values(
    request: LayerRequest, layer: CalledRows | SqlTileLayer, tile: Tile, crs: Crs, srid: int, grid_srid: int
) -> dict[str, object]:
    # As texts: each has its cast in the statement, and PostgreSQL is told no other type.
    values: dict[str, object] = {
        key("z"): str(tile.z),
        key("x"): str(tile.x),
        key("y"): str(tile.y),
        key("bounds"): _ewkt(_boxes(request, tile, crs), srid),
        key("srid"): str(srid),
        key("envelope"): _ewkt((request.grid.bounds(tile),), grid_srid),
        key("extent"): str(request.resolution),
        key("buffer"): str(request.buffer),
        key("layer"): request.mvt_name,
    }
    values.update({argument_key(layer, each.name): each.default for each in layer.arguments})
    values.update({argument_key(layer, name): text for name, text in request.arguments})
    return values


def _boxes(request: LayerRequest, tile: Tile, crs: Crs) -> tuple[Bounds, ...]:
    """The tile's buffered box in a CRS: two boxes across ±180, and all that the CRS is trusted for where none is certain."""
    buffered = request.grid.buffered(tile, request.buffer / request.resolution)
    boxes = search_boxes(buffered, request.grid.crs, crs)
    return boxes if EVERYWHERE not in boxes else (_trusted(crs),)


def _trusted(crs: Crs) -> Bounds:
    if crs.is_geographic:
        return WORLD
    area = area_of_use(crs)
    way = transformer_between(_DEGREES.definition, crs.definition)
    if area is None or way is None or area.xmin > area.xmax:
        return _WIDEST
    area = area.padded(_TRUSTED_DEGREES, _TRUSTED_DEGREES).clamped(WORLD)
    found = Bounds(*way.transform_bounds(area.xmin, area.ymin, area.xmax, area.ymax))
    return found if found.xmin < found.xmax and all(abs(edge) < _WIDEST.xmax for edge in found.as_list()) else _WIDEST


def _ewkt(boxes: tuple[Bounds, ...], srid: int) -> str:
    rings = [
        f"(({b.xmin!r} {b.ymin!r},{b.xmax!r} {b.ymin!r},{b.xmax!r} {b.ymax!r},{b.xmin!r} {b.ymax!r},{b.xmin!r} {b.ymin!r}))"
        for b in boxes
    ]
    return f"SRID={srid};POLYGON{rings[0]}" if len(rings) == 1 else f"SRID={srid};MULTIPOLYGON({','.join(rings)})"
