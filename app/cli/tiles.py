"""`flask tiles`: a tile without a server."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from flask.cli import AppGroup

from ..backend import Backend
from ..blueprints.members import members_at
from ..blueprints.paths import asked_grid
from ..layers.identity import ANONYMOUS
from ..layers.manner import Manner
from ..layers.request import grid_for, layer_requests
from .session import served
from .tables import FORMAT, print_table

group = AppGroup("tiles", help="Tiles, made as the server makes them.")

# Tile addresses may be negative (zoom -10 of CDB1GlobalGrid): they are no options.
_NUMBERS = {"ignore_unknown_options": True}


@group.command("get", context_settings=_NUMBERS)
@click.argument("layer")
@click.argument("z")
@click.argument("x")
@click.argument("y")
@click.option("--grid", "--tms", help="Tile matrix set; default: the setting's.")
@click.option("--columns", help="Attributes, comma-separated.")
@click.option("--limit", help="Most features.")
@click.option("--param", "given", multiple=True, metavar="NAME=VALUE", help="Any parameter of a tile's address; may be repeated.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the tile, not compressed, to this file.")
@FORMAT
def get(
    layer: str, z: str, x: str, y: str, grid: str | None, columns: str | None, limit: str | None, given: tuple[str, ...],
    output: Path | None, form: str,
) -> None:  # fmt: skip
    """Make one tile of LAYER (or LAYER,LAYER): write it to a file, or print its features."""
    arguments = _arguments(given, columns=columns, limit=limit)
    with served() as there:
        raw, limited = _made(there, layer, grid, (z, x, y), arguments)
    if limited:
        click.echo("the limit cut this tile", err=True)
    if output is not None:
        output.write_bytes(raw)
        click.echo(f"{len(raw)} bytes in {output}", err=True)
    else:
        _print(raw, form)


def _arguments(given: tuple[str, ...], **named: str | None) -> dict[str, list[str]]:
    """A query string's parameters, each with all its values."""
    arguments = {name: [value] for name, value in named.items() if value is not None}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not NAME=VALUE.", param_hint="--param")
        arguments.setdefault(name, []).append(value)
    return arguments


def _made(
    there: Backend, layer: str, grid: str | None, path: tuple[str, str, str], arguments: dict[str, list[str]]
) -> tuple[bytes, bool]:
    matrix_set = grid_for(there.grids, asked_grid(grid, arguments), there.settings)
    members = members_at(there, Manner.FLAGSTONE, layer, arguments, ANONYMOUS)
    source = there.source(layer_requests(members, matrix_set, arguments, there.settings, ANONYMOUS))
    entry = there.reader.tile(source, source.tile(path))
    return entry.raw(), entry.limited


def _print(raw: bytes, form: str) -> None:
    from mapbox_vector_tile import decode  # half a second to import, and only this command decodes

    decoded: dict[str, Any] = decode(raw, default_options={"y_coord_down": True}) if raw else {}
    if form == "json":
        json.dump(decoded, sys.stdout, indent=2, default=str)
        click.echo()
        return
    rows = [
        (name, str(feature.get("id", "")), feature["geometry"]["type"], json.dumps(feature["properties"], default=str))
        for name, part in decoded.items()
        for feature in part["features"]
    ]
    print_table(("layer", "id", "geometry", "attributes"), rows)
