"""`flask cache`: what lies in the cache of tiles, and what shall not be given any more."""

from __future__ import annotations

import json

import click
from flask.cli import AppGroup

from ..backend import Backend
from ..caching.inventory import contents
from ..caching.purges import Purges
from ..caching.redis_client import redis_client
from ..layers.bounds import Bounds
from ..layers.identity import ANONYMOUS
from .session import served
from .tables import FORMAT, print_table
from .tile_choice import BOX, Zooms

group = AppGroup("cache", help="Tiles that are kept: how many there are, purged, made ahead.")


@group.command("stats")
@FORMAT
def stats(form: str) -> None:
    """How many tiles lie in Redis, of which layers, and how much memory they take.

    `bytes` are those of the tiles as they are kept; `memory` counts their keys and what Redis needs around them too.
    """
    with served() as there:
        reachable(there)
        found = contents(redis_client(there.settings), there.settings.cache_key_prefix)
    listed = sorted(found.items())
    if form == "json":
        rows = [{"layer": layer, "tiles": held.tiles, "bytes": held.size, "memory": held.memory} for layer, held in listed]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    print_table(
        ("layer", "tiles", "bytes", "memory", "memory a tile"),
        [
            [layer, f"{held.tiles:,}", f"{held.size:,}", f"{held.memory:,}", f"{held.memory / held.tiles:,.0f}"]
            for layer, held in listed
        ],
    )


@group.command("purge")
@click.argument("layer", required=False)
@click.option("--all", "every", is_flag=True, help="Tiles of every layer.")
@BOX
@click.option("--zoom", "zooms", type=Zooms(), help="Only tiles of these zooms.")
@FORMAT
def purge(layer: str | None, every: bool, box: Bounds | None, zooms: range | None, form: str) -> None:
    """Give none of the kept tiles of LAYER any more: they are made anew when they are asked for.

    All variants of them are meant: columns, filters, tile matrix sets, composites. It holds within a second.
    """
    if (layer is None) != every:
        raise click.UsageError("Name a layer, or say --all.")
    with served() as there:
        purges = reachable(there)
        named = None if layer is None else _layer_id(there, layer)
        span = range(-99, 100) if zooms is None else zooms
        purges.add(named, box, span[0], span[-1])
    if form == "json":
        click.echo(json.dumps({
            "layer": named, "bbox": None if box is None else [box.xmin, box.ymin, box.xmax, box.ymax],
            "zooms": None if zooms is None else [zooms[0], zooms[-1]],
        }, ensure_ascii=False))  # fmt: skip
        return
    click.echo(f"{'Every layer' if named is None else named}: what was kept is not given any more."
               " It lies in Redis until its time is over, and `flask cache stats` counts it until then.")


def reachable(there: Backend) -> Purges:
    """Of a cache that this command can reach."""
    if there.beside.purges is None:
        raise click.ClickException(
            f"CACHE_TYPE is {there.settings.cache_type}: what there is of tiles lies in each worker, where no command reaches"
            " it. A worker that starts anew has none. With CACHE_TYPE=RedisCache they lie in one place."
        )
    if not there.pool.database:
        # Its name is a part of every key, and known after the first connection.
        there.pool.ping()
    return there.beside.purges


def _layer_id(there: Backend, asked: str) -> str:
    """The id of a layer that anybody may see; a layer that is gone may have tiles left."""
    found = next((layer for layer in there.catalog.catalog().layers if layer.id == asked), None)
    return found.id if found is not None else there.catalog.layer(asked, ANONYMOUS).id
