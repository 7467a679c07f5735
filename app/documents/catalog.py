"""The catalog for programs: TiMVT's table documents, with our members beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..layers.bounds import Bounds
from ..layers.column import Column
from ..layers.grid import Grid
from ..layers.identity import Identity
from ..layers.layer import Layer
from ..layers.relation import RelationLayer
from . import attribution, extent
from .addresses import Addresses
from .ogc import landing_links
from .ogc_links import JSON, link

KINDS = {"r": "table", "v": "view", "m": "materialized view", "f": "foreign table", "p": "partitioned table"}
"""`pg_class.relkind` in words."""


def kind(layer: Layer) -> str:
    """What the layer is, in words."""
    return KINDS.get(layer.kind, "relation") if isinstance(layer, RelationLayer) else "function"


def table(
    layer: RelationLayer,
    identity: Identity,
    found: Bounds | None,
    grid: Grid,
    zooms: tuple[int, int],
    addresses: Addresses,
    columns: Sequence[Column],
    grids: Sequence[str],
) -> dict[str, Any]:
    """One table, as the identity may read it. `found` is the extent in longitude and latitude.

    `columns` have the types that they are served in; `grids` are those in which the table has anything to show.
    """
    box = extent.stated(found, grid).as_list()
    id_column = layer.id_column_for(identity)
    geometry = layer.geometry
    srid = geometry.crs.srid
    document = {
        "id": layer.id,
        "type": "Table",
        "schema": layer.schema,
        "table": layer.name,
        "kind": kind(layer),
        "title": layer.title,
        "description": layer.description,
        "attribution": attribution.text_and_links(layer.attribution),
        "id_column": id_column.name if id_column else None,
        "key": list(layer.key_for(identity)),
        "geometry_column": geometry.name,
        "geometry_type": geometry.type,
        "srid": srid,
        "geometry_columns": [
            {"name": geometry.name, "bounds": box, "srid": srid, "geometry_type": geometry.type}
        ],
        "properties": [_property(column) for column in columns],
        "rows": layer.estimated_rows,
        "bounds": box,
        "crs": f"http://www.opengis.net/def/crs/EPSG/0/{srid}",
        "minzoom": zooms[0],
        "maxzoom": zooms[1],
        "default_tms": grid.id,
        "tilematrixsets": list(grids),
        "tileurl": addresses.tiles([layer.id]),
        "tilejson": addresses.tilejson([layer.id]),
        "style": addresses.style([layer.id]),
        "viewer": addresses.viewer([layer.id]),
    }
    return {name: value for name, value in document.items() if value is not None}


def _property(column: Column) -> dict[str, Any]:
    described = {"description": column.description} if column.description else {}
    return {"name": column.name, "type": column.type, **described, "served": column.served_type.value}


def landing(name: str, tables: list[dict[str, Any]], addresses: Addresses) -> dict[str, Any]:
    """`/` for programs: where everything is, and the tables."""
    documents = (("tables.json", "Tables"), ("functions.json", "Functions"), ("catalog", "Sources"))
    return {
        "title": name,
        "name": name,
        "links": [
            *landing_links(name, addresses),
            *(link(addresses.path(path), "data", JSON, title) for path, title in documents),
        ],
        "tables": tables,
    }
