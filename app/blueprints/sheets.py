"""The sheet that an address names: a layer or a comma list, a grid, a query string."""

from __future__ import annotations

from flask import request

from ..documents.query import written
from ..documents.sheet import Sheet, sheet
from ..layers.manner import Manner
from ..layers.parameters import Arguments
from ..layers.request import grid_for
from .access import backend, identity
from .members import layer_arguments, members_at
from .paths import asked_grid, refuse_encoded_slash


def asked_sheet(layer: str | None, grid: str | None = None, manner: Manner = Manner.FLAGSTONE) -> Sheet:
    """The sheet of this request; NotFound and BadParameter say what cannot be had."""
    refuse_encoded_slash(request.environ)
    there, who = backend(), identity()
    arguments: Arguments = dict(request.args.lists())
    matrix_set = grid_for(there.grids, asked_grid(grid, arguments), there.settings)
    members = members_at(there, manner, layer, arguments, who, matrix_set)
    arguments = layer_arguments(layer, arguments)
    return sheet(members, matrix_set, written(request.query_string), arguments, there.settings, who, manner)
