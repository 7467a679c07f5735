"""OGC API Tiles: `/conformance`, `/collections…` and the dataset's tilesets at `/tiles`. Rows come before columns."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ..documents import ogc as documents
from ..documents import ogc_tilesets
from ..documents.ogc_links import JSON, SCHEMA, link
from ..documents.query import written
from ..documents.sheet import Sheet
from ..documents.style import style
from ..documents.tilejson import tilejson
from ..layers.bounds import Bounds
from ..layers.grid import Grid
from ..layers.layer import Layer
from ..layers.manner import Manner
from ..layers.parameters import only, whole_number
from .access import backend, identity
from .addresses import addresses
from .members import members_at
from .pages import document
from .paths import TileAddress, refuse_encoded_slash
from .sheets import asked_sheet
from .tiles import answered

blueprint = Blueprint("ogc", __name__)

_MAX_AGE_S = 60


@blueprint.get("/conformance")
def conformance() -> Response:
    """The conformance classes that are held."""
    return document(documents.conformance())


@blueprint.get("/collections")
def collections() -> Response:
    """The layers as collections; `limit` and `offset` give a page of them."""
    layers = backend().catalog.catalog().visible(identity())
    first, last, size = _asked_page(len(layers))
    found = backend().catalog.extents(layers[first:last])
    made = [_collection(layer, found[layer.id]) for layer in layers[first:last]]
    return document(documents.collections(made, len(layers), _page_links(first, last, size, len(layers))))


@blueprint.get("/collections/<layer>")
def collection(layer: str) -> Response:
    """One layer as a collection."""
    found = _layer(layer)
    return document(_collection(found, backend().catalog.extent(found)))


@blueprint.get("/collections/<layer>/queryables")
def queryables(layer: str) -> Response:
    """What a filter may name."""
    response = document(documents.queryables(_layer(layer), identity(), addresses()))
    response.mimetype = SCHEMA
    return response


@blueprint.get("/collections/<layer>/tiles")
def collection_tilesets(layer: str) -> Response:
    """A collection's tilesets: one for each grid in which it has something to show."""
    found = _layer(layer)
    grids = _grids(backend().catalog.extent(found))
    return document(ogc_tilesets.tilesets(grids, found.id, found.title or found.id, addresses()))


@blueprint.get("/collections/<layer>/tiles/<grid>")
def collection_tileset(layer: str, grid: str) -> Response:
    """One tileset of a collection."""
    sheet = asked_sheet(layer, grid, Manner.OGC)
    title = sheet.parts[0].layer.title or sheet.name
    return document(ogc_tilesets.tileset(sheet, _extents(sheet), sheet.name, title, addresses()), max_age_s=_MAX_AGE_S)


@blueprint.get("/collections/<layer>/tiles/<grid>/<z>/<row>/<column>")
def collection_tile(layer: str, grid: str, z: str, row: str, column: str) -> Response:
    """One tile of a collection."""
    return answered(TileAddress(grid, layer, (z, column, row), Manner.OGC), backend())


@blueprint.get("/collections/<layer>/tiles/<grid>/tilejson.json")
def collection_tilejson(layer: str, grid: str) -> Response:
    """A collection's tiles in one grid as TileJSON."""
    sheet = asked_sheet(layer, grid, Manner.OGC)
    tiles = addresses().tileset_zxy(sheet.name, sheet.grid.id, sheet.tile_query)
    return document(tilejson(sheet, _extents(sheet), tiles), max_age_s=_MAX_AGE_S)


@blueprint.get("/collections/<layer>/tiles/<grid>/style.json")
def collection_style(layer: str, grid: str) -> Response:
    """A MapLibre style of a collection's tiles in one grid."""
    sheet = asked_sheet(layer, grid, Manner.OGC)
    question = f"?{sheet.query}" if sheet.query else ""
    source = f"{addresses().tileset(sheet.name, sheet.grid.id)}/tilejson.json{question}"
    return document(style(sheet, source), max_age_s=_MAX_AGE_S)


@blueprint.get("/tiles")
def dataset_tilesets() -> Response:
    """The dataset's tilesets: one for each grid. `collections` chooses what is in their tiles."""
    there = backend()
    arguments = {"collections": request.args.getlist("collections")}
    members_at(there, Manner.OGC, None, arguments, identity())
    return document(
        ogc_tilesets.tilesets(_grids(None), None, there.settings.name, addresses(), written(request.query_string))
    )


def _layer(asked: str) -> Layer:
    refuse_encoded_slash(request.environ)
    return backend().catalog.layer(asked, identity())


def _collection(layer: Layer, found: Bounds | None) -> dict[str, object]:
    return documents.collection(layer, found, backend().settings.default_grid, addresses())


def _extents(sheet: Sheet) -> list[Bounds | None]:
    return [backend().catalog.extent(part.layer) for part in sheet.parts]


def _grids(extent: Bounds | None) -> list[Grid]:
    grids = backend().grids
    return [grids.get(grid_id) for grid_id in grids.suitable(extent)]


def _page_links(first: int, last: int, size: int, most: int) -> list[dict[str, object]]:
    home, query = addresses().path("collections"), written(request.query_string)
    links = [link(f"{home}?{query}" if query else home, "self", JSON, "Collections")]
    if first > 0:
        links.append(link(f"{home}?limit={size}&offset={max(0, first - size)}", "prev", JSON, "More collections"))
    if last < most:
        links.append(link(f"{home}?limit={size}&offset={last}", "next", JSON, "More collections"))
    return links


def _asked_page(most: int) -> tuple[int, int, int]:
    """First and last index of the collections asked for, and how many a page has; without a limit there is one page."""
    arguments = dict(request.args.lists())
    limit, offset = only(arguments, "limit"), only(arguments, "offset")
    first = 0 if offset is None else min(max(0, whole_number("offset", offset)), most)
    size = max(1, most if limit is None else min(most, whole_number("limit", limit)))
    return first, min(most, first + size), size
