"""Tiles: `/tiles/{layer}/{z}/{x}/{y}` and `/tiles/{TileMatrixSetId}/{layer}/{z}/{x}/{y}`, with or without a suffix.

And how a tile of any address is answered.
"""

from __future__ import annotations

from flask import Blueprint, Request, Response, request

from ..backend import Backend
from ..errors import LayerChanged, RowsAtFault
from ..layers.parameters import Arguments
from ..layers.request import grid_for, layer_requests
from ..source import Source
from .access import backend, identity
from .dataset import tileset
from .members import layer_arguments, members_at
from .paths import TileAddress, asked_grid, refuse_encoded_slash, tile_address
from .tile_response import asked_for, tile_response
from .versioned import asked_version, lasts

blueprint = Blueprint("tiles", __name__)


# One rule: the router would take a third of the time of a cached tile to tell two of four and five parts apart.
@blueprint.get("/tiles/<path:address>")
def tile(address: str) -> Response:
    """One tile of a layer, or of several named by a comma list. One word is a grid: what tiles the dataset has in it."""
    if "/" not in address:
        return tileset(address)
    there = backend()
    return answered(tile_address(address, there.grids), there)


def answered(named: TileAddress, there: Backend) -> Response:
    """The tile of this address for this request."""
    asked = request._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001  # the proxy costs at each use
    refuse_encoded_slash(asked.environ)
    try:
        return _answer(there, asked, named)
    except (LayerChanged, RowsAtFault) as error:
        # The table may not be what the catalog says: read that again, and then the tile.
        return there.second_look.after(error, identity(), lambda: _answer(there, asked, named))


def _answer(there: Backend, asked: Request, named: TileAddress) -> Response:
    source = _source(there, asked, named)
    tile = source.tile(named.tile)
    is_lasting = source.asked_version is not None and lasts(there, source, tile)
    entry = there.reader.tile(source, tile, asked_for(asked.environ))
    return tile_response(
        entry, source.seconds(tile.z), asked.environ, there.settings, is_followed=source.is_followed, is_lasting=is_lasting
    )


def _source(there: Backend, asked: Request, named: TileAddress) -> Source:
    """What the address names beside the tile, checked when it comes first."""
    who = identity()
    address = (named.manner, named.grid, named.layer, asked.query_string, who)
    # Taken before the look into the catalog: what is found in an older one must not be kept for a newer one.
    snapshot = there.catalog.snapshot
    source = there.sources.find(snapshot, address)
    if source is None:
        arguments: Arguments = dict(asked.args.lists()) if asked.query_string else {}
        grid = grid_for(there.grids, asked_grid(named.grid, arguments), there.settings)
        members = members_at(there, named.manner, named.layer, arguments, who, grid)
        arguments = layer_arguments(named.layer, arguments)
        parts = layer_requests(members, grid, arguments, there.settings, who, named.manner)
        source = there.source(parts, asked_version(there, parts, arguments))
        there.sources.keep(snapshot, address, source)
    return source
