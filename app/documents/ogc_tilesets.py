"""Tilesets of OGC API Tiles (OGC 20-057) as tileset metadata (OGC 17-083r4): of a collection, or of the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..layers.bounds import Bounds
from ..layers.grid import Grid
from ..layers.request import LayerRequest
from . import extent
from .addresses import Addresses
from .ogc import dimension, property_schema
from .ogc_links import CRS84, DATASET, GEODATA, JSON, MVT, TILING_SCHEME, link
from .sheet import Sheet

_STATED_BOX = 7
"""Decimals of degrees: a centimetre."""


def tilesets(grids: Sequence[Grid], layer_id: str | None, title: str, addresses: Addresses, query: str = "") -> dict[str, Any]:
    """The list of tilesets, one per grid; `layer_id` None is the dataset. `query` goes on into the addresses."""
    return {
        "links": [link(addresses.tilesets(layer_id, query), "self", JSON, f"Tilesets of {title}")],
        "tilesets": [
            _head(grid, title)
            | {
                "links": [
                    link(addresses.tileset(layer_id, grid.id, query), "self", JSON, f"{title} in {grid.id}"),
                    _scheme(grid, addresses),
                    _tile_link(layer_id, grid, query, addresses),
                ]
            }
            for grid in grids
        ],
    }


def tileset(
    sheet: Sheet, found: Sequence[Bounds | None], layer_id: str | None, title: str, addresses: Addresses, *, of: int = 0
) -> dict[str, Any]:
    """One tileset. `found` are the extents of the sheet's layers in longitude and latitude.

    `of` is how many collections the dataset has, where its tiles do not hold all of them.
    """
    grid = sheet.grid
    box = extent.union(extent.stated(bounds, grid) for bounds in found)
    descriptions = [part.layer.description for part in sheet.parts if part.layer.description]
    note = [f"{len(sheet.parts)} of {of} collections; `collections` names others."] if of > len(sheet.parts) else []
    description = "\n".join([*note, *descriptions])
    return {
        **_head(grid, title),
        **({"description": description} if description else {}),
        "mediaTypes": [MVT],
        "boundingBox": {
            "lowerLeft": [round(box.xmin, _STATED_BOX), round(box.ymin, _STATED_BOX)],
            "upperRight": [round(box.xmax, _STATED_BOX), round(box.ymax, _STATED_BOX)],
            "crs": CRS84,
        },
        "tileMatrixSetLimits": _limits(sheet),
        "layers": [_layer(part, addresses) for part in sheet.parts],
        "links": _links(sheet, layer_id, title, addresses),
    }


def _links(sheet: Sheet, layer_id: str | None, title: str, addresses: Addresses) -> list[dict[str, Any]]:
    grid, query = sheet.grid, sheet.tile_query
    links = [
        link(addresses.tileset(layer_id, grid.id, sheet.query), "self", JSON, f"{title} in {grid.id}"),
        _scheme(grid, addresses),
        _tile_link(layer_id, grid, query, addresses),
    ]
    if layer_id is None:
        return [*links, link(addresses.home(), DATASET, JSON, "The dataset")]
    # The relation and the variables of tipg's documents, for programs that were written for those. Before `item`:
    # OpenLayers takes the last of one media type.
    tipg = link(addresses.tileset_zxy(layer_id, grid.id, query), "tile", MVT, "The same tiles by z, x and y", templated=True)
    address = addresses.tileset(layer_id, grid.id)
    question = f"?{sheet.query}" if sheet.query else ""
    return [
        tipg,
        *links,
        link(addresses.collection(layer_id), GEODATA, JSON, layer_id),
        link(f"{address}/tilejson.json{question}", "alternate", JSON, "TileJSON"),
        link(f"{address}/style.json{question}", "stylesheet", JSON, "A MapLibre style"),
    ]


def _head(grid: Grid, title: str) -> dict[str, Any]:
    written = grid.source.model_dump(mode="json", include={"crs", "uri"}, exclude_none=True)
    uri = {"tileMatrixSetURI": written["uri"]} if "uri" in written else {}
    return {"title": f"{title} in {grid.id}", "dataType": "vector", "crs": written["crs"], **uri}


def _scheme(grid: Grid, addresses: Addresses) -> dict[str, Any]:
    return link(addresses.grid(grid.id), TILING_SCHEME, JSON, f"The tile matrix set {grid.id}")


def _tile_link(layer_id: str | None, grid: Grid, query: str, addresses: Addresses) -> dict[str, Any]:
    return link(addresses.tileset_tiles(layer_id, grid.id, query), "item", MVT, "The tiles", templated=True)


def _limits(sheet: Sheet) -> list[dict[str, Any]]:
    """The zooms that have tiles. A matrix that is not listed has none (OGC 17-083r4 §6.3), so each is whole: rows may be added
    anywhere."""
    first, last = sheet.zooms
    return [
        {
            "tileMatrix": str(matrix.zoom),
            "minTileRow": 0,
            "maxTileRow": matrix.height - 1,
            "minTileCol": 0,
            "maxTileCol": matrix.width - 1,
        }
        for matrix in sheet.grid.matrices.values()
        if first <= matrix.zoom <= last
    ]


def _layer(part: LayerRequest, addresses: Addresses) -> dict[str, Any]:
    layer = part.layer
    return {
        "id": part.mvt_name,
        "title": layer.title or layer.id,
        **({"description": layer.description} if layer.description else {}),
        "dataType": "vector",
        **dimension(layer),
        "minTileMatrix": str(part.first_zoom),
        "maxTileMatrix": str(part.last_zoom),
        "propertiesSchema": {
            "type": "object",
            "properties": {column.name: property_schema(column) for column in part.columns},
        },
        "links": [link(addresses.collection(layer.id), GEODATA, JSON, layer.id)],
    }
