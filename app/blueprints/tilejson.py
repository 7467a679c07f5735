"""TileJSON: `/{layer}/tilejson.json` and `/{TileMatrixSetId}/{layer}/tilejson.json`; a comma list is a composite."""

from __future__ import annotations

from flask import Blueprint, Response

from ..documents.tilejson import tilejson, tiles_address
from .access import backend
from .addresses import addresses
from .pages import document
from .sheets import asked_sheet
from .versioned import tiles_version

blueprint = Blueprint("tilejson", __name__)

_MAX_AGE_S = 60
"""A map that is opened again asks again, but not for each of its sources and styles."""


@blueprint.get("/<layer>/tilejson.json")
@blueprint.get("/<grid>/<layer>/tilejson.json")
def show(layer: str, grid: str | None = None) -> Response:
    """What a map has to know of these layers' tiles."""
    sheet = asked_sheet(layer, grid)
    found = [backend().catalog.extent(part.layer) for part in sheet.parts]
    version = tiles_version(backend(), sheet)
    tiles = tiles_address(sheet, addresses(), backend().settings.default_grid, version)
    # A version is for who asks now: the page that is opened next has to hear of the next one.
    return document(tilejson(sheet, found, tiles), max_age_s=_MAX_AGE_S if version is None else 0)
