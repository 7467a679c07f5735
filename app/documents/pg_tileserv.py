"""pg_tileserv's documents: `/index.json`, and the detail of one layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..layers.bounds import Bounds
from ..layers.composite import Composite
from ..layers.function import TakesArguments
from ..layers.grid import Grid
from ..layers.identity import Identity
from ..layers.layer import Layer, RowLayer
from ..layers.manner import Manner
from ..layers.member import Member
from ..layers.relation import RelationLayer
from ..settings import Settings
from . import extent
from .addresses import Addresses
from .sheet import Sheet

_TYPES = {
    "POINT": "Point", "MULTIPOINT": "MultiPoint", "LINESTRING": "LineString", "MULTILINESTRING": "MultiLineString",
    "POLYGON": "Polygon", "MULTIPOLYGON": "MultiPolygon", "GEOMETRYCOLLECTION": "GeometryCollection", "GEOMETRY": "Geometry",
}  # fmt: skip
"""Geometry types as `postgis_typmod_type` writes them."""


def index(layers: Iterable[Layer | Composite], addresses: Addresses) -> dict[str, Any]:
    """Every layer and named composite by its id."""
    return {
        layer.id: {
            "type": _type(layer),
            "id": layer.id,
            "name": layer.name,
            "schema": layer.schema if isinstance(layer, Layer) else "",
            "description": layer.description or "",
            "detailurl": addresses.pg_tileserv_detail(layer.id),
        }
        for layer in layers
    }


def _type(layer: Layer | Composite) -> str:
    if isinstance(layer, Composite):
        return "composite"
    return "table" if isinstance(layer, RelationLayer) else "function"


def composite_detail(composite: Composite, sheet: Sheet, found: Bounds | None, addresses: Addresses) -> dict[str, Any]:
    """A named composite, as the detail of a layer. `found` is its extent in longitude and latitude."""
    return {
        "id": composite.id,
        "type": _type(composite),
        "schema": "",
        "name": composite.name,
        **({"description": composite.description} if composite.description else {}),
        "layers": [{"id": part.layer.id, "sourcelayer": part.mvt_name} for part in sheet.parts],
        **_place(found, sheet.grid, sheet.zooms),
        # pg_tileserv's own addresses have a schema in every id.
        "tileurl": f"{addresses.tiles([composite.id])}.pbf",
    }


def detail(
    layer: Layer,
    identity: Identity,
    found: Bounds | None,
    grid: Grid,
    zooms: tuple[int, int],
    settings: Settings,
    addresses: Addresses,
) -> dict[str, Any]:
    """One layer, as the identity may read it. `found` is the extent in longitude and latitude."""
    document: dict[str, Any] = {
        "id": layer.id,
        "schema": layer.schema,
        "name": layer.name,
        **({"description": layer.description} if layer.description else {}),
    }
    if isinstance(layer, RowLayer):
        document["properties"] = [
            {"name": column.name, "type": column.base_type, "description": column.description or ""}
            for column in layer.columns_for(identity)
        ]
        document["geometrytype"] = _TYPES.get(layer.geometry.type, layer.geometry.type)
        document["srid"] = layer.geometry.crs.srid
    if isinstance(layer, TakesArguments):
        document["arguments"] = [
            {"name": argument.name, "type": argument.type, **({"default": argument.default} if argument.default else {})}
            for argument in layer.arguments
        ]
    return {
        **document,
        **_place(found, grid, zooms),
        # An id without a schema is a source of Martin's at that address.
        "tileurl": addresses.pg_tileserv_tiles([layer.id]) if layer.schema else f"{addresses.tiles([layer.id])}.pbf",
        "sourcelayer": Manner.PG_TILESERV.mvt_name(Member(layer.id, layer), settings, composite=False),
    }


def _place(found: Bounds | None, grid: Grid, zooms: tuple[int, int]) -> dict[str, Any]:
    box = extent.stated(found, grid)
    return {
        "center": [(box.xmin + box.xmax) / 2, (box.ymin + box.ymax) / 2],
        "bounds": box.as_list(),
        "minzoom": zooms[0],
        "maxzoom": zooms[1],
    }
