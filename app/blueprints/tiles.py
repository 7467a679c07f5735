"""Tiles: `/tiles/{layer}/{z}/{x}/{y}` and `/tiles/{TileMatrixSetId}/{layer}/{z}/{x}/{y}`, with or without a suffix."""

from __future__ import annotations

from flask import Blueprint, Response, request

from ..errors import LayerChanged
from ..layers.request import grid_for, tile_requests
from .access import backend, identity
from .paths import asked_grid, asked_layers, refuse_encoded_slash
from .tile_response import tile_response

blueprint = Blueprint("tiles", __name__)

_SUFFIXES = (".pbf", ".mvt")


@blueprint.get("/tiles/<layer>/<z>/<x>/<y>")
@blueprint.get("/tiles/<grid>/<layer>/<z>/<x>/<y>")
def tile(layer: str, z: str, x: str, y: str, grid: str | None = None) -> Response:
    """One tile of a layer, or of several named by a comma list."""
    refuse_encoded_slash(request.environ)
    path = (z, x, y[:-4] if y.endswith(_SUFFIXES) else y)
    try:
        return _answer(layer, grid, path)
    except LayerChanged:
        # The table is not what the catalog says: read that again, and then the tile.
        backend().catalog.reload_if_due()
        return _answer(layer, grid, path)


def _answer(layer: str, grid: str | None, path: tuple[str, str, str]) -> Response:
    there, who = backend(), identity()
    arguments = dict(request.args.lists()) if request.query_string else {}
    matrix_set = grid_for(there.grids, asked_grid(grid, arguments), there.settings)
    layers = asked_layers(there, layer, who)
    requests = tile_requests(layers, matrix_set, path, arguments, there.settings, who)
    entry = there.reader.tile(requests)
    return tile_response(entry, there.reader.lifetime(requests), request.headers, there.settings)
