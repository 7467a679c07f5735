"""`flask cache`: what lies in the cache of tiles, what shall not be given any more, and tiles made ahead."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import click
from flask.cli import AppGroup

from ..backend import Backend
from ..caching.inventory import contents
from ..caching.purges import Purges
from ..caching.redis_client import redis_client
from ..errors import FlagstoneError, NotFound
from ..layers.bounds import Bounds
from ..layers.identity import ANONYMOUS
from ..layers.tile import Tile
from ..layers.tile_ranges import TileRange, tile_ranges
from ..source import Source
from .overviews import bars
from .session import served
from .tables import FORMAT, print_table
from .tile_arguments import asked_source, parameters

group = AppGroup("cache", help="Tiles that are kept: how many there are, purged, made ahead.")

_DEEPEST = 30
_MOST_FAILURES = 20
_EXTENT_WAIT_S = 10.0
_VERSIONS_WAIT_S = 10.0


class _Box(click.ParamType[Bounds]):
    """Four numbers: west, south, east, north."""

    name = "west,south,east,north"

    def convert(self, value: str | Bounds, param: click.Parameter | None, ctx: click.Context | None) -> Bounds:
        if isinstance(value, Bounds):
            return value
        try:
            box = Bounds(*(float(part) for part in value.split(",")))
        except (TypeError, ValueError):
            self.fail(f"{value!r} is not west,south,east,north.", param, ctx)
        # NaN is within nothing.
        if not (-180 <= box.xmin <= 180 and -180 <= box.xmax <= 180 and -90 <= box.ymin <= box.ymax <= 90):
            self.fail(f"{value!r} is no box of longitudes and latitudes.", param, ctx)
        return box


class _Zooms(click.ParamType[range]):
    """One zoom, or the first and the last one."""

    name = "zoom or first-last"

    def convert(self, value: str | range, param: click.Parameter | None, ctx: click.Context | None) -> range:
        if isinstance(value, range):
            return value
        first, dash, last = value.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            self.fail(f"{value!r} is neither a zoom nor like 0-8.", param, ctx)
        low, high = int(first), int(last or first)
        if not low <= high <= _DEEPEST:
            self.fail(f"{value!r}: zooms go up, to {_DEEPEST} at the most.", param, ctx)
        return range(low, high + 1)


BOX = click.option("--bbox", "box", type=_Box(), help="Only tiles that meet this box of longitude and latitude.")


@group.command("stats")
@FORMAT
def stats(form: str) -> None:
    """How many tiles lie in Redis, of which layers, and how much memory they take.

    `bytes` are those of the tiles as they are kept; `memory` counts their keys and what Redis needs around them too.
    """
    with served() as there:
        _purges(there)
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
@click.option("--zoom", "zooms", type=_Zooms(), help="Only tiles of these zooms.")
def purge(layer: str | None, every: bool, box: Bounds | None, zooms: range | None) -> None:
    """Give none of the kept tiles of LAYER any more: they are made anew when they are asked for.

    All variants of them are meant: columns, filters, tile matrix sets, composites. It holds within a second.
    """
    if (layer is None) != every:
        raise click.UsageError("Name a layer, or say --all.")
    with served() as there:
        purges = _purges(there)
        named = None if layer is None else _layer_id(there, layer)
        span = range(-99, 100) if zooms is None else zooms
        purges.add(named, box, span[0], span[-1])
    click.echo(f"{'Every layer' if named is None else named}: what was kept is not given any more."
               " It lies in Redis until its time is over, and `flask cache stats` counts it until then.")


@group.command("warm")
@click.argument("layer")
@click.option("--zoom", "zooms", type=_Zooms(), required=True, help="The zooms, such as 0-8.")
@BOX
@click.option("--grid", "--tms", help="Tile matrix set; default: the setting's.")
@click.option("--param", "given", multiple=True, metavar="NAME=VALUE", help="Any parameter of a tile's address; may be repeated.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Tiles that are made at the same time.")
@click.option("--rate", type=click.FloatRange(min=0.01), help="Most tiles a second.")
def warm(
    layer: str, zooms: range, box: Bounds | None, grid: str | None, given: tuple[str, ...], jobs: int, rate: float | None
) -> None:
    """Make the tiles of LAYER (or LAYER,LAYER) ahead, exactly as the server would.

    What lies there already is left as it is: the same command goes on where it was interrupted. Exit code 1 where
    tiles failed.
    """
    with served() as there:
        _purges(there)
        there.open()
        source = asked_source(there, layer, grid, parameters(given))
        extent = box or _extent(there, source)
        shown = range(max(zooms[0], source.first_zoom), min(zooms[-1], source.last_zoom) + 1)
        ranges = list(tile_ranges(source.grid, extent, shown))
        if not ranges:
            raise click.ClickException(f"{layer} has no tiles there.")
        _wait_for_versions(there, source, next(ranges[0].tiles()))
        made, failed = _made(there, source, ranges, min(jobs, there.most_of_a_layer), rate)
    click.echo(f"{made:,} tiles are there." if not failed else f"{made:,} tiles are there, {failed:,} failed.")
    if failed:
        raise click.exceptions.Exit(1)


def _made(there: Backend, source: Source, ranges: list[TileRange], jobs: int, rate: float | None) -> tuple[int, int]:
    """How many tiles are there now, and how many failed: those are told, the first of them."""
    made = failed = 0
    begun = time.monotonic()
    tiles = (tile for each in ranges for tile in each.tiles())
    with bars() as bar, ThreadPoolExecutor(jobs) as pool:
        task = bar.add_task("tiles", total=sum(each.size for each in ranges))
        for tile, error in _outcomes(pool, lambda tile: there.reader.tile(source, tile), _paced(tiles, rate, begun), 2 * jobs):
            bar.update(task, advance=1, description=f"zoom {tile.z}")
            made += error is None
            failed += error is not None
            if error is not None and failed <= _MOST_FAILURES:
                click.echo(f"{tile}: {error}", err=True)
    return made, failed


def _paced(tiles: Iterable[Tile], rate: float | None, begun: float) -> Iterator[Tile]:
    """Not more of them a second than `rate`."""
    for number, tile in enumerate(tiles):
        if rate is not None:
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        yield tile


def _outcomes(
    pool: ThreadPoolExecutor, make: Callable[[Tile], object], tiles: Iterable[Tile], most: int
) -> Iterator[tuple[Tile, FlagstoneError | None]]:
    """Each tile that is over, and what made it fail. Not more than `most` are under way: a pyramid has more tiles than
    there is memory."""
    under_way: dict[Future[object], Tile] = {}
    for tile in tiles:
        under_way[pool.submit(make, tile)] = tile
        while len(under_way) > most:
            yield from _over(under_way)
    while under_way:
        yield from _over(under_way)


def _over(under_way: dict[Future[object], Tile]) -> Iterator[tuple[Tile, FlagstoneError | None]]:
    done, _ = wait(under_way, return_when=FIRST_COMPLETED)
    for future in done:
        yield under_way.pop(future), _fault(future)


def _fault(future: Future[object]) -> FlagstoneError | None:
    error = future.exception()
    if error is None or isinstance(error, NotFound):
        return None
    if isinstance(error, FlagstoneError):
        return error
    raise error


def _purges(there: Backend) -> Purges:
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


def _extent(there: Backend, source: Source) -> Bounds | None:
    """The box around all layers of a source; None for everywhere, where one of them does not know its own."""
    boxes = [there.catalog.extent(part.layer, wait_s=_EXTENT_WAIT_S) for part in source.parts]
    known = [box for box in boxes if box is not None]
    if len(known) < len(boxes) or any(box.xmin > box.xmax for box in known):
        return None
    return Bounds(
        min(box.xmin for box in known), min(box.ymin for box in known),
        max(box.xmax for box in known), max(box.ymax for box in known),
    )  # fmt: skip


def _wait_for_versions(there: Backend, source: Source, tile: Tile) -> None:
    until = time.monotonic() + _VERSIONS_WAIT_S
    while not there.reader.is_sure(source, tile):
        if time.monotonic() > until:
            raise click.ClickException("Nobody reads the log of changes, or Redis does not answer: no tile would be kept.")
        time.sleep(0.05)
