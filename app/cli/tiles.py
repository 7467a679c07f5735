"""`flask tiles`: a tile without a server."""

from __future__ import annotations

import json
import sys
from typing import IO, Any

import click
from flask.cli import AppGroup

from ..layers.how import How
from .session import served
from .tables import FORMAT, print_table
from .tile_arguments import NUMBERS, asked_source, parameters

group = AppGroup("tiles", help="Tiles, made as the server makes them.")

_SAID = {
    How.OVERVIEW: "this tile is of the layer's overview",
    How.SAMPLED: "this tile shows one feature of each cell; `flask tiles explain` says more",
    How.LIMITED: "the limit or the budget cut this tile; `flask tiles explain` says more",
}


@group.command("get", context_settings=NUMBERS)
@click.argument("layer")
@click.argument("z")
@click.argument("x")
@click.argument("y")
@click.option("--grid", "--tms", help="Tile matrix set; default: the setting's.")
@click.option("--columns", help="Attributes, comma-separated.")
@click.option("--limit", help="Most features.")
@click.option(
    "--param",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="Any parameter of a tile's address; may be repeated.",
)
@click.option(
    "--output",
    type=click.File("wb", lazy=True),
    help="Write the tile, not compressed, to this file; - is standard output.",
)
@FORMAT
def get(
    layer: str, z: str, x: str, y: str, grid: str | None, columns: str | None, limit: str | None, given: tuple[str, ...],
    output: IO[bytes] | None, form: str,
) -> None:  # fmt: skip
    """Make one tile of LAYER (or LAYER,LAYER): write it to a file, or print its features."""
    arguments = parameters(given, columns=columns, limit=limit)
    with served() as there:
        source = asked_source(there, layer, grid, arguments)
        entry = there.reader.tile(source, source.tile((z, x, y)))
    raw = entry.raw()
    if entry.how in _SAID:
        click.echo(_SAID[entry.how], err=True)
    if output is not None:
        output.write(raw)
        click.echo(f"{len(raw)} bytes in {output.name}", err=True)
    else:
        _print(raw, form)


def _print(raw: bytes, form: str) -> None:
    from mapbox_vector_tile import decode  # half a second to import, and only this command decodes

    decoded: dict[str, Any] = decode(raw, default_options={"y_coord_down": True}) if raw else {}
    if form == "json":
        json.dump(decoded, sys.stdout, indent=2, default=str)
        click.echo()
        return
    rows = [
        (
            name,
            str(feature.get("id", "")),
            feature["geometry"]["type"],
            json.dumps(feature["properties"], default=str),
        )
        for name, part in decoded.items()
        for feature in part["features"]
    ]
    print_table(("layer", "id", "geometry", "attributes"), rows)
