"""pg_tileserv's addresses: `/index.json`, `/{schema.table}.json`, `/{id[,id]}/{z}/{x}/{y}.pbf`."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ..documents import pg_tileserv as documents
from ..errors import NotFound
from ..layers.manner import Manner
from ..layers.request import grid_for
from ..layers.zooms import zooms
from .access import backend, identity
from .addresses import addresses
from .members import are_sources
from .pages import document
from .paths import TileAddress, refuse_encoded_slash
from .redirects import to_martins_tile
from .tiles import answered

blueprint = Blueprint("pg_tileserv", __name__)


@blueprint.get("/index.json")
def index() -> Response:
    """Every layer, with the address of its detail."""
    return document(documents.index(backend().catalog.catalog().visible(identity()), addresses()))


@blueprint.get("/<layer>.json")
def detail(layer: str) -> Response:
    """What a map has to know of one layer."""
    refuse_encoded_slash(request.environ)
    there, who = backend(), identity()
    found = there.catalog.layer(layer, who)
    grid = grid_for(there.grids, None, there.settings)
    box, range_ = there.catalog.extent(found), zooms(found, grid, there.settings)
    return document(documents.detail(found, who, box, grid, range_, there.settings, addresses()))


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
