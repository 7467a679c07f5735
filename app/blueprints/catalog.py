"""The catalog: `/` for people and programs, TiMVT's `/tables.json` and `/table/{layer}.json`, the tile matrix sets."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from ..documents import catalog as documents
from ..documents.addresses import layers_part
from ..documents.composites import composite, listed
from ..documents.grids import tile_matrix_sets
from ..documents.listing import listing
from ..layers.bounds import Bounds
from ..layers.crs import area_of_use
from ..layers.relation import RelationLayer
from ..layers.request import grid_for
from ..layers.served import served
from ..layers.zooms import zooms
from .access import backend, identity
from .addresses import addresses
from .pages import document, page, prefers_html
from .paths import refuse_encoded_slash

blueprint = Blueprint("catalog", __name__)


@blueprint.get("/")
def index() -> Response:
    """A page for whoever prefers HTML, else JSON; `?f=html` and `?f=json` decide over the Accept header."""
    response = _index_page() if _wants_html() else document(_landing())
    response.vary.add("Accept")
    return response


@blueprint.get("/tables.json")
def tables() -> Response:
    """Every table that may be read."""
    return document(_tables())


@blueprint.get("/table/<layer>.json")
def table(layer: str) -> Response:
    """One table."""
    refuse_encoded_slash(request.environ)
    found = backend().catalog.table(layer, identity())
    return document(_table(found, backend().catalog.extent(found)))


@blueprint.get("/tileMatrixSets")
def grids() -> Response:
    """The tile matrix sets that tiles can be asked for in."""
    return document(tile_matrix_sets(backend().grids.ids, addresses()))


@blueprint.get("/tileMatrixSets/<grid>")
def grid_document(grid: str) -> Response:
    """One tile matrix set (OGC 17-083r4)."""
    return document(grid_for(backend().grids, grid, backend().settings).document())


def _wants_html() -> bool:
    asked = request.args.get("f")
    if asked in ("html", "json"):
        return asked == "html"
    return prefers_html()


def _tables() -> list[dict[str, Any]]:
    layers = backend().catalog.catalog().tables(identity())
    found = backend().catalog.extents(layers)
    return [_table(layer, found[layer.id]) for layer in layers]


def _table(layer: RelationLayer, found: Bounds | None) -> dict[str, Any]:
    there = backend()
    grid = grid_for(there.grids, None, there.settings)
    columns = served(layer.columns_for(identity()), layer.options, there.settings)
    grids = there.grids.suitable(found or area_of_use(layer.geometry.crs))
    return documents.table(layer, identity(), found, grid, zooms(layer, grid, there.settings), addresses(), columns, grids)


def _landing() -> dict[str, Any]:
    return {**documents.landing(backend().settings.name, _tables(), addresses()), "composites": _composites()}


def _composites() -> list[dict[str, Any]]:
    found = backend().catalog.catalog().composites_for(identity())
    return [composite(each, identity(), addresses()) for each in found]


def _index_page() -> Response:
    catalog, who = backend().catalog.catalog(), identity()
    found = listing(catalog.visible(who), request.args.get("q", ""), request.args.get("page", "1"))
    lines = [
        {
            "layer": layer,
            "part": layers_part([layer.id]),
            "kind": documents.kind(layer),
            "short_name": catalog.short_name(layer, who),
        }
        for layer in found.layers
    ]
    composites = [
        {"name": each.name, "part": layers_part([each.name]), "about": each.description or each.title,
         "members": [member.layer.id for member in each.members_for(who)]}
        for each in listed(catalog.composites_for(who), found.words)
    ]  # fmt: skip
    return page("catalog.html", list=found, lines=lines, composites=composites)
