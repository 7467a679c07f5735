"""Martin's addresses: `/catalog`, `/{id[,id]}` as TileJSON, `/{id[,id]}/{z}/{x}/{y}`."""

from __future__ import annotations

from flask import Blueprint, Response

from ..documents import martin as documents
from ..errors import NotFound
from ..layers.manner import Manner
from .access import backend, identity
from .addresses import addresses
from .pages import document
from .paths import TileAddress
from .sheets import asked_sheet
from .tiles import answered

blueprint = Blueprint("martin", __name__)

_MAX_AGE_S = 60
_EVENTS = "Changed tiles are told by `flask changes serve`, a process with a port of its own, to which a proxy leads /events."


@blueprint.get("/catalog")
def catalog() -> Response:
    """Every source by its id."""
    there, who = backend(), identity()
    snapshot = there.catalog.catalog()
    return document(documents.catalog(there.source_ids.of(snapshot, who), snapshot.composites_for(who)))


@blueprint.get("/<layers>")
def source(layers: str) -> Response:
    """TileJSON of one source, or of several."""
    there = backend()
    try:
        sheet = asked_sheet(layers, manner=Manner.MARTIN)
    except NotFound as error:
        if layers != "events":
            raise
        raise NotFound(f"{error} {_EVENTS}") from error
    found = [there.catalog.extent(part.layer) for part in sheet.parts]
    made = documents.source(sheet, layers.split(","), found, addresses(), there.settings.default_grid)
    return document(made, max_age_s=_MAX_AGE_S)


@blueprint.get("/<layers>/<z>/<x>/<y>")
def tile(layers: str, z: str, x: str, y: str) -> Response:
    """One tile of one source, or of several."""
    return answered(TileAddress(None, layers, (z, x, y), Manner.MARTIN), backend())
