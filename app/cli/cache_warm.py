"""`flask cache warm`: tiles made ahead."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass

import click
from flask.cli import with_appcontext

from ..backend import Backend
from ..caching.entry import Entry
from ..errors import FlagstoneError, NotFound
from ..layers.bounds import Bounds
from ..layers.tile import Tile
from ..layers.tile_ranges import TileRange, tile_ranges
from ..source import Source
from .cache import reachable
from .overviews import bars
from .session import served
from .tables import FORMAT
from .tile_arguments import asked_source, parameters
from .tile_choice import BOX, Zooms

_MOST_FAILURES = 20
_EXTENT_WAIT_S = 10.0
_VERSIONS_WAIT_S = 10.0


@click.command("warm")
@click.argument("layer")
@click.option("--zoom", "zooms", type=Zooms(), required=True, help="The zooms, such as 0-8.")
@BOX
@click.option("--grid", "--tms", help="Tile matrix set; default: the setting's.")
@click.option("--param", "given", multiple=True, metavar="NAME=VALUE", help="Any parameter of a tile's address; may be repeated.")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Tiles that are made at the same time.")
@click.option("--rate", type=click.FloatRange(min=0.01), help="Most tiles a second.")
@FORMAT
@with_appcontext
def warm(
    layer: str, zooms: range, box: Bounds | None, grid: str | None, given: tuple[str, ...], jobs: int, rate: float | None, form: str
) -> None:
    """Make the tiles of LAYER (or LAYER,LAYER) ahead, exactly as the server would.

    What lies there already is left as it is: the same command goes on where it was interrupted. Exit code 1 where
    tiles failed.
    """
    with served() as there:
        reachable(there)
        there.open()
        source = asked_source(there, layer, grid, parameters(given))
        extent = box or _extent(there, source)
        shown = range(max(zooms[0], source.first_zoom), min(zooms[-1], source.last_zoom) + 1)
        ranges = list(tile_ranges(source.grid, extent, shown))
        if not ranges:
            raise click.ClickException(f"{layer} has no tiles there.")
        _wait_for_versions(there, source, next(ranges[0].tiles()))
        warmed = _Warmed()
        try:
            _make(warmed, there, source, ranges, min(jobs, there.most_of_a_layer), rate)
        except KeyboardInterrupt:
            click.echo(f"Interrupted: {warmed}. The same command goes on from there.", err=True)
            raise
    click.echo(json.dumps(asdict(warmed)) if form == "json" else f"{warmed}.")
    if warmed.failed:
        raise click.exceptions.Exit(1)


@dataclass
class _Warmed:
    """How many tiles were made, how many were there already (or are joined from what was), and how many failed."""

    made: int = 0
    kept: int = 0
    failed: int = 0

    def __str__(self) -> str:
        said = f"{self.made:,} {'tile' if self.made == 1 else 'tiles'} made, {self.kept:,} there already"
        return f"{said}, {self.failed:,} failed" if self.failed else said


def _make(warmed: _Warmed, there: Backend, source: Source, ranges: list[TileRange], jobs: int, rate: float | None) -> None:
    """Make them, and count. Those that failed are told, the first of them. After Ctrl-C no other is begun."""
    # Of the clock that entries are stamped by.
    began_at, begun = time.time(), time.monotonic()
    tiles = (tile for each in ranges for tile in each.tiles())
    with bars() as bar, ThreadPoolExecutor(jobs) as pool:
        task = bar.add_task("tiles", total=sum(each.size for each in ranges))
        try:
            for tile, outcome in _outcomes(pool, lambda tile: there.reader.tile(source, tile), _paced(tiles, rate, begun), 2 * jobs):
                bar.update(task, advance=1, description=f"zoom {tile.z}")
                if isinstance(outcome, FlagstoneError):
                    warmed.failed += 1
                    if warmed.failed <= _MOST_FAILURES:
                        click.echo(f"{tile}: {outcome}", err=True)
                elif outcome is not None:
                    warmed.made += outcome.made_at >= began_at
                    warmed.kept += outcome.made_at < began_at
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            raise


def _paced(tiles: Iterable[Tile], rate: float | None, begun: float) -> Iterator[Tile]:
    """Not more of them a second than `rate`."""
    for number, tile in enumerate(tiles):
        if rate is not None:
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
        yield tile


def _outcomes(
    pool: ThreadPoolExecutor, make: Callable[[Tile], Entry], tiles: Iterable[Tile], most: int
) -> Iterator[tuple[Tile, Entry | FlagstoneError | None]]:
    """Each tile that is over, and its entry or what made it fail; None where there is no such tile. Not more than `most` are
    under way: a pyramid has more tiles than there is memory."""
    under_way: dict[Future[Entry], Tile] = {}
    for tile in tiles:
        under_way[pool.submit(make, tile)] = tile
        while len(under_way) > most:
            yield from _over(under_way)
    while under_way:
        yield from _over(under_way)


def _over(under_way: dict[Future[Entry], Tile]) -> Iterator[tuple[Tile, Entry | FlagstoneError | None]]:
    done, _ = wait(under_way, return_when=FIRST_COMPLETED)
    for future in done:
        tile = under_way.pop(future)
        try:
            yield tile, future.result()
        except NotFound:
            yield tile, None
        except FlagstoneError as error:
            yield tile, error


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
