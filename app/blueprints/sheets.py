"""The sheet that an address names: a layer or a comma list, a grid, a query string."""

from __future__ import annotations

from flask import request

from ..documents.query import written
from ..documents.sheet import Sheet, sheet
from ..layers.request import grid_for
from .access import backend, identity
from .paths import asked_grid, asked_members, refuse_encoded_slash


def asked_sheet(layer: str, grid: str | None = None) -> Sheet:
    """The sheet of this request; NotFound and BadParameter say what cannot be had."""
    refuse_encoded_slash(request.environ)
    there, who = backend(), identity()
    arguments = dict(request.args.lists())
    matrix_set = grid_for(there.grids, asked_grid(grid, arguments), there.settings)
    members = asked_members(there, layer, who)
    return sheet(members, matrix_set, written(request.query_string), arguments, there.settings, who)
