"""Functions: TiMVT's `/functions.json` and `/function/{layer}.json`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from ..documents import functions as documents
from ..errors import NotFound
from ..layers.bounds import Bounds
from ..layers.composite import Composite
from ..layers.layer import Layer
from ..layers.relation import RelationLayer
from ..layers.request import grid_for
from ..layers.zooms import zooms
from .access import backend, identity
from .addresses import addresses
from .members import described
from .pages import document
from .paths import refuse_encoded_slash

blueprint = Blueprint("functions", __name__)


@blueprint.get("/functions.json")
def functions() -> Response:
    """Every function, and every statement of the application, whose tiles may be had."""
    layers = [each for each in backend().catalog.catalog().visible(identity()) if not isinstance(each, RelationLayer)]
    found = backend().catalog.extents(layers)
    return document([_function(layer, found[layer.id]) for layer in layers])


@blueprint.get("/function/<layer>.json")
def function(layer: str) -> Response:
    """One function."""
    refuse_encoded_slash(request.environ)
    backend().catalog.layer(layer, identity())  # a composite is no function
    found, several = described(backend(), layer, dict(request.args.lists()), identity())
    if isinstance(found, (RelationLayer, Composite)):
        raise NotFound(f"Layer {found.id} is no function.")
    return document(_function(found, backend().catalog.extent(found)) | documents.overloads(several, addresses()))


def _function(layer: Layer, found: Bounds | None) -> dict[str, Any]:
    there = backend()
    grid = grid_for(there.grids, None, there.settings)
    return documents.function(layer, found, grid, zooms(layer, grid, there.settings), addresses())
