"""pg_tileserv's addresses: `/index.json`, `/{schema.table}.json`, `/{id[,id]}/{z}/{x}/{y}.pbf`."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ..backend import Backend
from ..documents import pg_tileserv as documents
from ..documents.functions import overloads
from ..errors import NotFound
from ..layers.composite import Composite
from ..layers.identity import Identity
from ..layers.manner import Manner
from ..layers.names import is_wanted_by_browsers
from ..layers.request import grid_for
from ..layers.zooms import zooms
from .access import backend, identity
from .addresses import addresses
from .members import are_sources, described, extents_of
from .pages import document
from .paths import TileAddress, refuse_encoded_slash
from .redirects import to_martins_tile
from .sheets import asked_sheet
from .tiles import answered

blueprint = Blueprint("pg_tileserv", __name__)


@blueprint.get("/index.json")
def index() -> Response:
    """Every layer and named composite, with the address of its detail."""
    catalog, who = backend().catalog.catalog(), identity()
    return document(documents.index([*catalog.visible(who), *catalog.composites_for(who)], addresses()))


@blueprint.get("/<layer>.json")
def detail(layer: str) -> Response:
    """What a map has to know of one layer, or of a named composite."""
    refuse_encoded_slash(request.environ)
    there, who = backend(), identity()
    _refuse_strays(there, layer, who)
    found, several = described(there, layer, dict(request.args.lists()), who)
    box = extents_of(there, [found], who, waits=True)[found.id]
    if isinstance(found, Composite):
        return document(documents.composite_detail(found, asked_sheet(found.id), box, addresses()))
    grid = grid_for(there.grids, None, there.settings)
    range_ = zooms(found, grid, there.settings)
    detailed = documents.detail(found, who, box, grid, range_, there.settings, addresses())
    return document(detailed | overloads(several, addresses()))


def _refuse_strays(there: Backend, layer: str, who: Identity) -> None:
    """Ids of pg_tileserv's have a schema. For `/manifest.json` the catalog is not read again: a browser wants it."""
    snapshot = there.catalog.snapshot
    if snapshot is None and is_wanted_by_browsers(f"{layer}.json"):
        raise NotFound(f"There is no layer {layer!r}.")
    if snapshot is not None and "." not in layer and snapshot.composite(layer, who) is None:
        snapshot.layer(layer, who)


@blueprint.get("/<layers>/<z>/<x>/<y>.pbf")
@blueprint.get("/<layers>/<z>/<x>/<y>.mvt")
def tile(layers: str, z: str, x: str, y: str) -> Response:
    """One tile; where these are source ids of Martin's, who has no suffix, the way to its address."""
    if not all("." in name for name in layers.split(",")):
        return to_martins_tile(layers, z, x, y)
    try:
        return answered(TileAddress(None, layers, (z, x, y), Manner.PG_TILESERV), backend())
    except NotFound:
        if are_sources(backend(), layers, identity()):
            return to_martins_tile(layers, z, x, y)
        raise
