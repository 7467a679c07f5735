"""Tiles: `/tiles/{layer}/{z}/{x}/{y}` and `/tiles/{TileMatrixSetId}/{layer}/{z}/{x}/{y}`, with or without a suffix."""

from __future__ import annotations

from flask import Blueprint, Request, Response, request

from ..backend import Backend
from ..errors import LayerChanged
from ..layers.request import grid_for, tile_requests
from .access import backend, identity
from .paths import TileAddress, asked_grid, asked_layers, refuse_encoded_slash, tile_address
from .tile_response import tile_response

blueprint = Blueprint("tiles", __name__)


# One rule: the router would take a third of the time of a cached tile to tell two of four and five parts apart.
@blueprint.get("/tiles/<path:address>")
def tile(address: str) -> Response:
    """One tile of a layer, or of several named by a comma list."""
    there, asked = backend(), request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  # the proxy costs at each use
    refuse_encoded_slash(asked.environ)
    named = tile_address(address)
    try:
        return _answer(there, asked, named)
    except LayerChanged as error:
        # The table is not what the catalog says: read that again, and then the tile.
        return there.second_look.after(error, identity(), lambda: _answer(there, asked, named))


def _answer(there: Backend, asked: Request, named: TileAddress) -> Response:
    who = identity()
    arguments = dict(asked.args.lists()) if asked.query_string else {}
    grid = grid_for(there.grids, asked_grid(named.grid, arguments), there.settings)
    layers = asked_layers(there, named.layer, who)
    requests = tile_requests(layers, grid, named.tile, arguments, there.settings, who)
    entry = there.reader.tile(requests)
    return tile_response(entry, there.reader.lifetime(requests), asked.headers, there.settings)
