"""OGC API Tiles: `/conformance`, `/collections…` and the dataset's tilesets at `/tiles`. Rows come before columns."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ..documents import ogc as documents
from ..documents import ogc_tilesets
from ..documents.functions import overloads
from ..documents.ogc_links import JSON, SCHEMA, link
from ..documents.query import without, written
from ..documents.sheet import Sheet
from ..documents.style import style
from ..documents.tilejson import tilejson
from ..layers.bounds import Bounds
from ..layers.collections_asked import CollectionsAsked, Page, collections_asked
from ..layers.composite import Composite
from ..layers.grid import Grid
from ..layers.layer import Layer
from ..layers.manner import Manner
from .access import backend, identity
from .addresses import addresses
from .members import described, extents_of, layers_of, members_at, named
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
    """The layers as collections: those of a type or a place, and a page of them."""
    asked = collections_asked(dict(request.args.lists()))
    layers = _chosen(asked)
    page = asked.page(len(layers))
    there = layers[page.first : page.last]
    found = extents_of(backend(), there, identity())
    made = [_collection(layer, found[layer.id]) for layer in there]
    return document(documents.collections(made, len(layers), _page_links(page, len(layers))))


@blueprint.get("/collections/<layer>")
def collection(layer: str) -> Response:
    """One layer, or composite, as a collection."""
    refuse_encoded_slash(request.environ)
    found, several = described(backend(), layer, dict(request.args.lists()), identity())
    return document(_collection(found, _extent(found)) | overloads(several, addresses()))


@blueprint.get("/collections/<layer>/queryables")
def queryables(layer: str) -> Response:
    """What a filter may name."""
    found = _named(layer)
    response = document(documents.queryables(found, layers_of(found, identity()), identity(), addresses()))
    response.mimetype = SCHEMA
    return response


@blueprint.get("/collections/<layer>/tiles")
def collection_tilesets(layer: str) -> Response:
    """A collection's tilesets: one for each grid in which it has something to show."""
    found = _named(layer)
    grids = _grids(_extent(found))
    return document(ogc_tilesets.tilesets(grids, found.id, found.title or found.id, addresses()))


@blueprint.get("/collections/<layer>/tiles/<grid>")
def collection_tileset(layer: str, grid: str) -> Response:
    """One tileset of a collection."""
    sheet = asked_sheet(layer, grid, Manner.OGC)
    title = (sheet.composite or sheet.parts[0].layer).title or sheet.name
    return document(ogc_tilesets.tileset(sheet, _extents(sheet), sheet.name, title, addresses()), max_age_s=_MAX_AGE_S)


@blueprint.get("/collections/<layer>/tiles/<grid>/<z>/<row>/<column>")
@blueprint.get("/collections/<layer>/tiles/<z>/<x>/<y>")
def collection_tile(
    layer: str, z: str, grid: str | None = None, row: str = "", column: str = "", x: str = "", y: str = ""
) -> Response:
    """One tile of a collection. Without a grid it is an address of tipg's before 1.0, and the column comes first."""
    place = (z, x, y) if grid is None else (z, column, row)
    return answered(TileAddress(grid, layer, place, Manner.OGC), backend())


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


def _named(asked: str) -> Layer | Composite:
    refuse_encoded_slash(request.environ)
    return named(backend(), asked, identity())


def _extent(found: Layer | Composite) -> Bounds | None:
    return extents_of(backend(), [found], identity(), waits=True)[found.id]


def _collection(layer: Layer | Composite, found: Bounds | None) -> dict[str, object]:
    return documents.collection(layer, found, backend().settings.default_grid, addresses())


def _extents(sheet: Sheet) -> list[Bounds | None]:
    return [backend().catalog.extent(part.layer) for part in sheet.parts]


def _grids(extent: Bounds | None) -> list[Grid]:
    grids = backend().grids
    return [grids.get(grid_id) for grid_id in grids.suitable(extent)]


def _chosen(asked: CollectionsAsked) -> list[Layer | Composite]:
    catalog, who = backend().catalog.catalog(), identity()
    everything: list[Layer | Composite] = [*catalog.visible(who), *catalog.composites_for(who)]
    chosen = [each for each in everything if asked.has_type(each)]
    if not asked.boxes:
        return chosen
    extents = extents_of(backend(), chosen, who)
    return [each for each in chosen if asked.meets(extents[each.id])]


def _page_links(page: Page, most: int) -> list[dict[str, object]]:
    home, query = addresses().path("collections"), written(request.query_string)
    links = [link(f"{home}?{query}" if query else home, "self", JSON, "Collections")]
    others = without(query, {"limit", "offset"})
    start = f"{home}?{others}{'&' if others else ''}limit={page.size}&offset="
    if page.first > 0:
        links.append(link(f"{start}{max(0, page.first - page.size)}", "prev", JSON, "More collections"))
    if page.last < most:
        links.append(link(f"{start}{page.last}", "next", JSON, "More collections"))
    return links
