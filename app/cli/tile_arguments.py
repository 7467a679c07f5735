"""What the commands that make a tile are told: the tile, and the parameters of its address."""

from __future__ import annotations

import click

from ..backend import Backend
from ..blueprints.members import members_at
from ..blueprints.paths import asked_grid
from ..layers.identity import ANONYMOUS
from ..layers.manner import Manner
from ..layers.request import grid_for, layer_requests
from ..source import Source

# Tile addresses may be negative (zoom -10 of CDB1GlobalGrid): they are no options.
NUMBERS = {"ignore_unknown_options": True}


def parameters(given: tuple[str, ...], **named: str | None) -> dict[str, list[str]]:
    """A query string's parameters, each with all its values, from `NAME=VALUE` and from options."""
    arguments = {name: [value] for name, value in named.items() if value is not None}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE.", param_hint="--param")
        arguments.setdefault(name, []).append(value)
    return arguments


def asked_source(there: Backend, layer: str, grid: str | None, arguments: dict[str, list[str]]) -> Source:
    """What an address with these parameters names, as the login itself may read it."""
    matrix_set = grid_for(there.grids, asked_grid(grid, arguments), there.settings)
    members = members_at(there, Manner.FLAGSTONE, layer, arguments, ANONYMOUS, matrix_set)
    return there.source(layer_requests(members, matrix_set, arguments, there.settings, ANONYMOUS))
