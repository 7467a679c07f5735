"""One tileset of the dataset: what `/tiles/{grid}` answers. The rule itself is that of the tiles (`tiles.py`)."""

from __future__ import annotations

from flask import Response, request

from ..documents import ogc_tilesets
from ..layers.manner import Manner
from .access import backend, identity
from .addresses import addresses
from .members import dataset_layers
from .pages import document
from .sheets import asked_sheet

_MAX_AGE_S = 60


def tileset(grid: str) -> Response:
    """The collections that `collections` names, or all of them, in one grid."""
    there = backend()
    sheet = asked_sheet(None, grid, Manner.OGC)
    found = [there.catalog.extent(part.layer) for part in sheet.parts]
    most = 0 if "collections" in request.args else len(dataset_layers(there, identity()))
    made = ogc_tilesets.tileset(sheet, found, None, there.settings.name, addresses(), of=most)
    return document(made, max_age_s=_MAX_AGE_S)
